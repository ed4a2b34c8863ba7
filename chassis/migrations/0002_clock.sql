-- How far the installation's clock runs ahead of the server's. Nothing, always: only the schema's owner can put another
-- function in its place, as a demonstration does that shows a day in minutes. All time that rules depend on is read
-- through it: `clock_timestamp() + clock_shift()`, within the rules of reading `now() + clock_shift()`.
CREATE FUNCTION clock_shift() RETURNS interval LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT interval '0' $$;
