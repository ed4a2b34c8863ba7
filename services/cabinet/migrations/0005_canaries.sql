-- Canaries are read, shown and acknowledged as any result is, by a synthetic person who can never sign in. What they leave
-- behind is nobody's proof, so of acknowledgements they alone may be deleted. Their ids are of a form of their own.
CREATE FUNCTION is_synthetic(id uuid) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT id BETWEEN 'ca9a27ee-0000-0000-0000-000000000000' AND 'ca9a27ee-ffff-ffff-ffff-ffffffffffff'
        AND substr(id::text, 15, 1) = '5'
$$;

CREATE FUNCTION acknowledgements_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an acknowledgement is a proof and stays' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER acknowledgements_stay BEFORE DELETE ON acknowledgements FOR EACH ROW
    WHEN (NOT is_synthetic(OLD.result_id)) EXECUTE FUNCTION acknowledgements_stay();
CREATE TRIGGER acknowledged_versions_stay BEFORE DELETE ON acknowledged_versions FOR EACH ROW
    WHEN (NOT is_synthetic(OLD.result_id)) EXECUTE FUNCTION acknowledgements_stay();
GRANT DELETE ON acknowledgements, acknowledged_versions TO sutki_cabinet;
