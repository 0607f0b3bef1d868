-- Inserts, an index, joins and aggregates in memory: about half a second.
.open :memory:
create table t(a integer, b text, c real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 250000)
  insert into t select i, 'row ' || (i * 7919 % 100003), i * 0.5 from n;
create index tb on t(b);
select count(*), sum(a), avg(c) from t where b like 'row 1%';
select count(*) from t x join t y on x.b = y.b where x.a % 10 = 0;
select substr(b, 1, 6) s, count(*), max(c) from t group by s order by 2 desc, 1 limit 5;
update t set c = c + 1 where a % 3 = 0;
select round(sum(c), 1) from t;
