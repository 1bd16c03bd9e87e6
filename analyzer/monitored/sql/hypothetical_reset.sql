-- Lets HypoPG forget every index that we told it of in our session.
-- Needs no right; HypoPG.
select {schema}.hypopg_reset() is null as is_done
