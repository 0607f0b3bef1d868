#!/bin/bash
# program: /usr/bin/perl
# Regular expressions, hashes, closures, sorting, formats, eval, fork, pipes.
cat > work.pl <<'PL'
use strict; use warnings; use List::Util qw(sum reduce first); use POSIX qw(floor strftime);
use Digest::MD5 qw(md5_hex); use Data::Dumper; $Data::Dumper::Sortkeys = 1;
my %count; $count{$_ % 7} += $_ for 1 .. 5000;
print join(",", map { "$_=$count{$_}" } sort keys %count), "\n";
my $text = join " ", map { "word$_" } 1 .. 300;
(my $other = $text) =~ s/(\d+)/sprintf "%03d", $1 * 3/ge;
print md5_hex($other), " ", scalar(() = $text =~ /d\d*7\b/g), "\n";
sub counter { my $n = shift; return sub { return $n++ } } my $next = counter(5); $next->() for 1 .. 3;
print $next->(), " ", sum(1 .. 100), " ", (reduce { $a * $b } 1 .. 15), "\n";
my @sorted = sort { length $a <=> length $b or $a cmp $b } split / /, $text; print "@sorted[0..3,-1]\n";
eval { die { code => 42 } }; print "caught $@->{code}\n"; eval "1 +* 2" or print "syntax error caught\n";
print Dumper({ list => [1, [2, 3]], name => "x" });
local $_ = "2024-03-05"; my ($y, $m, $d) = /^(\d+)-(\d+)-(\d+)$/; print strftime("%A %j", 0, 0, 0, $d, $m - 1, $y - 1900), "\n";
pipe(my $r, my $w); my $pid = fork; if (!$pid) { print $w "child says hello\n"; exit 6 } close $w; print <$r>; waitpid $pid, 0; print $? >> 8, "\n";
print `echo from shell | tr a-z A-Z`; my $s = 0; for my $i (1 .. 200000) { $s = ($s * 31 + $i) % 1000003 } print "$s\n";
my $re = qr/^(?<q>['"])(?:\\.|(?!\k<q>).)*\k<q>$/; print join(" ", map { $_ =~ $re ? 1 : 0 } qq('a'), qq("b\\"c"), qq('d")), "\n";
printf "%s %.3f %b %e %v d\n", "é", 3.14159, 37, 12345.678, "1.2.3"; print pack("NnC", 1, 2, 3) eq "\0\0\0\1\0\2\3" ? "packed\n" : "wrong\n";
$SIG{USR1} = sub { print "signal\n" }; kill USR1 => $$; warn "to stderr\n"; die "the end\n";
PL
"$1" work.pl
echo "status $?"
printf 'b 2\na 1\n' | "$1" -lane 'print "$F[1]:$F[0]"; END { print $. }'
"$1" -MJSON::PP -e 'print JSON::PP->new->canonical->encode({a=>[1,2],b=>{c=>undef}}), "\n"'
"$1" -e 'print "unterminated'
echo "status $?"
