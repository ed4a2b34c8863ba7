-- Erasing a person from the journal, as far as the law lets the journal forget: names, birth date, who represents whom and
-- every free text about the person go, from the histories too. Marks, grades and attendance stay under the opaque id for as
-- long as a journal is kept.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

-- Set while the person is erased; a source that states the person again makes a new state, with a higher revision.
ALTER TABLE persons ADD COLUMN erased_at timestamptz;

-- What was erased here, and what stays: told once more by a replay, and done once however often it is asked.
CREATE TABLE erasures_done (
    erasure_id uuid PRIMARY KEY,
    person_id uuid NOT NULL,
    erased jsonb NOT NULL,
    kept jsonb NOT NULL,
    erased_at timestamptz NOT NULL
);
REVOKE UPDATE, DELETE, TRUNCATE ON erasures_done FROM sutki_gradebook;
ALTER TABLE erasures_done ENABLE ROW LEVEL SECURITY;
ALTER TABLE erasures_done FORCE ROW LEVEL SECURITY;
CREATE POLICY district ON erasures_done USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);

-- With the owner's rights, since nobody else may touch a history; the owner is bound by row-level security as well, so
-- that only whole-district work can erase. Returns how much of what went, by category.
CREATE FUNCTION erase_person(whom uuid, at timestamptz) RETURNS TABLE (category text, records bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    counted bigint;
    texts bigint := 0;
BEGIN
    UPDATE persons SET state = NULL, revision = revision + 1, changed_at = at, erased_at = at
    WHERE person_id = whom AND erased_at IS NULL;
    DELETE FROM person_records WHERE person_id = whom;
    GET DIAGNOSTICS counted = ROW_COUNT;
    RETURN QUERY SELECT 'names', counted;
    UPDATE roster_statements AS s SET stated = jsonb_build_object('erased', true)
    FROM persons AS p
    WHERE p.person_id = whom AND s.kind = 'people' AND s.source = p.source
        AND s.stated ->> 'person_id' = p.external_id;
    GET DIAGNOSTICS counted = ROW_COUNT;
    RETURN QUERY SELECT 'statements', counted;
    DELETE FROM representations WHERE student_id = whom OR representative_id = whom;
    GET DIAGNOSTICS counted = ROW_COUNT;
    RETURN QUERY SELECT 'representations', counted;
    UPDATE group_members SET active = false WHERE person_id = whom AND active;
    DELETE FROM homework_students WHERE student_id = whom;
    UPDATE homework SET student_ids = student_ids - whom::text WHERE student_ids ? whom::text;
    UPDATE homework_history SET student_ids = student_ids - whom::text WHERE student_ids ? whom::text;

    UPDATE recommendations SET content = '—' WHERE student_id = whom AND content <> '—';
    GET DIAGNOSTICS counted = ROW_COUNT;
    texts := texts + counted;
    UPDATE recommendation_history SET content = '—' WHERE student_id = whom AND content <> '—';
    GET DIAGNOSTICS counted = ROW_COUNT;
    texts := texts + counted;
    UPDATE marks SET comment = NULL, reason = NULL
    WHERE student_id = whom AND (comment IS NOT NULL OR reason IS NOT NULL);
    GET DIAGNOSTICS counted = ROW_COUNT;
    texts := texts + counted;
    UPDATE mark_history SET comment = NULL, reason = NULL
    WHERE mark_id IN (SELECT mark_id FROM marks WHERE student_id = whom)
        AND (comment IS NOT NULL OR reason IS NOT NULL);
    GET DIAGNOSTICS counted = ROW_COUNT;
    texts := texts + counted;
    UPDATE grade_reasons SET reason = '—'
    WHERE reason <> '—' AND result_id IN (
        SELECT result_id FROM final_grades WHERE student_id = whom
        UNION SELECT result_id FROM deferrals WHERE student_id = whom
    );
    GET DIAGNOSTICS counted = ROW_COUNT;
    texts := texts + counted;
    -- The number of a doctor's certificate says something about health.
    UPDATE deferrals SET document_number = '—', note = ''
    WHERE student_id = whom AND (document_number <> '—' OR note <> '');
    GET DIAGNOSTICS counted = ROW_COUNT;
    texts := texts + counted;
    UPDATE deferral_history SET document_number = '—', note = ''
    WHERE student_id = whom AND (document_number <> '—' OR note <> '');
    GET DIAGNOSTICS counted = ROW_COUNT;
    RETURN QUERY SELECT 'texts', texts + counted;

    DELETE FROM forecasts WHERE student_id = whom;
    GET DIAGNOSTICS counted = ROW_COUNT;
    RETURN QUERY SELECT 'forecasts', counted;
    -- Last: what was changed above asked for new forecasts.
    DELETE FROM forecast_due WHERE student_id = whom;
END
$$;
REVOKE ALL ON FUNCTION erase_person(uuid, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_person(uuid, timestamptz) TO sutki_gradebook;
