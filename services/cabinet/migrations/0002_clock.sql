-- The rules of reading by the installation's clock (chassis/migrations/0002_clock.sql).

ALTER POLICY reader ON marks USING (
    (SELECT consent_view_is_fresh(now() + clock_shift()))
    AND student_id = ANY (ARRAY(
        SELECT g.student_id FROM grounds_at(now() + clock_shift()) AS g
        WHERE g.reader_id = (SELECT reading_person())
    ))
);
ALTER POLICY reader ON results USING (
    (SELECT consent_view_is_fresh(now() + clock_shift()))
    AND (NOT held OR due_at <= (SELECT now() + clock_shift()) OR state = 'withdrawn')
    AND student_id = ANY (ARRAY(
        SELECT g.student_id FROM grounds_at(now() + clock_shift()) AS g
        WHERE g.reader_id = (SELECT reading_person())
    ))
);
