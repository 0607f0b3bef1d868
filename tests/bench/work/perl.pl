# Arithmetic, hashes, regular expressions, sorting: about half a second.
use strict;
my ($sum, %seen) = (0);
for my $i (1 .. 4_000_000) { $sum = ($sum * 31 + $i) % 1_000_003; }
for my $i (1 .. 400_000) { $seen{"key" . ($i % 5_000)} += $i; }
my $text = join " ", sort { $seen{$a} <=> $seen{$b} || $a cmp $b } keys %seen;
my $found = () = $text =~ /key(\d)\d*\1/g;
print "$sum ", scalar(keys %seen), " $found\n";
