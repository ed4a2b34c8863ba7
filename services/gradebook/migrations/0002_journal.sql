-- The rest of the journal: calendar, teaching, timetable, lessons, substitutions, control works, homework, advice,
-- attendance, curriculum plan and each school's settings. Every fact has its source and external id, its revision, who
-- wrote it (author_id: a person the journal names; changed_by: who sent it) and when; superseded revisions are kept.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

-- A period that is closed takes no more marks (C5.1).
ALTER TABLE periods ADD COLUMN closed_at timestamptz;

-- Days, in the school's time zone; both count as days in the group. Null: since ever, and until further notice.
ALTER TABLE group_members ADD COLUMN joined_on date;
ALTER TABLE group_members ADD COLUMN left_on date;
-- Whoever came back was in the group before: the earlier spell.
CREATE TABLE former_memberships (
    group_id uuid NOT NULL,
    person_id uuid NOT NULL,
    school_id uuid NOT NULL,
    joined_on date,
    left_on date NOT NULL
);
CREATE INDEX former_memberships_group_person ON former_memberships (group_id, person_id);

ALTER TABLE study_groups ADD COLUMN campus_id uuid;

-- The history's columns follow the live table's, in its order.
ALTER TABLE marks ADD COLUMN lesson_id uuid;
ALTER TABLE marks ADD COLUMN author_id uuid;
ALTER TABLE marks ADD COLUMN comment text;
ALTER TABLE marks ADD COLUMN reason text;
ALTER TABLE marks ADD COLUMN changed_by text;
ALTER TABLE mark_history ADD COLUMN lesson_id uuid;
ALTER TABLE mark_history ADD COLUMN author_id uuid;
ALTER TABLE mark_history ADD COLUMN comment text;
ALTER TABLE mark_history ADD COLUMN reason text;
ALTER TABLE mark_history ADD COLUMN changed_by text;
CREATE INDEX marks_student_subject ON marks (student_id, subject_id, lesson_on);
CREATE INDEX marks_group_day ON marks (group_id, lesson_on) WHERE group_id IS NOT NULL;

-- The history of the roster: what a source stated about schools, subjects, periods, people, groups, members and
-- representatives where that made a difference. No school: the district's own.
CREATE TABLE roster_statements (
    statement_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    school_id uuid,
    kind text NOT NULL,
    source text NOT NULL,
    -- The parts of the record's key, between slashes.
    external_id text NOT NULL,
    stated jsonb NOT NULL,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE INDEX roster_statements_record ON roster_statements (kind, external_id, source);
REVOKE UPDATE, DELETE, TRUNCATE ON roster_statements FROM sutki_gradebook;

-- Each school's settings, as versions: a result is computed by the version in force on its date.
CREATE TABLE school_policies (
    school_id uuid NOT NULL,
    valid_from date NOT NULL,
    policy jsonb NOT NULL,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    revision bigint NOT NULL CHECK (revision >= 1),
    PRIMARY KEY (school_id, valid_from)
);
CREATE TABLE school_policy_history (LIKE school_policies, PRIMARY KEY (school_id, valid_from, revision));

-- As with marks, there are no foreign keys below: a batch checks its references by set in its transaction, and nothing
-- they point to is ever deleted.
-- Buildings of a school.
CREATE TABLE campuses (
    campus_id uuid PRIMARY KEY,
    school_id uuid NOT NULL,
    source text NOT NULL,
    external_id text NOT NULL,
    title text NOT NULL,
    address text NOT NULL,
    author_id uuid,
    state text NOT NULL CHECK (state IN ('active', 'withdrawn')),
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    revision bigint NOT NULL CHECK (revision >= 1)
);
CREATE INDEX campuses_school ON campuses (school_id);

-- When a school year begins and ends; periods refer to it by school and name (2026/2027).
CREATE TABLE school_years (
    school_year_id uuid PRIMARY KEY,
    school_id uuid NOT NULL,
    source text NOT NULL,
    external_id text NOT NULL,
    school_year text NOT NULL,
    starts_on date NOT NULL,
    ends_on date NOT NULL CHECK (ends_on >= starts_on),
    author_id uuid,
    state text NOT NULL CHECK (state IN ('active', 'withdrawn')),
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    revision bigint NOT NULL CHECK (revision >= 1)
);
CREATE INDEX school_years_school_school_year ON school_years (school_id, school_year);

CREATE TABLE holidays (
    holiday_id uuid PRIMARY KEY,
    school_id uuid NOT NULL,
    source text NOT NULL,
    external_id text NOT NULL,
    school_year text NOT NULL,
    title text NOT NULL,
    starts_on date NOT NULL,
    ends_on date NOT NULL CHECK (ends_on >= starts_on),
    author_id uuid,
    state text NOT NULL CHECK (state IN ('active', 'withdrawn')),
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    revision bigint NOT NULL CHECK (revision >= 1)
);
CREATE INDEX holidays_school_starts_on ON holidays (school_id, starts_on);
-- What holidays-changed says of a school's year at its revision.
CREATE TABLE calendars (
    calendar_id uuid PRIMARY KEY,
    school_id uuid NOT NULL,
    school_year text NOT NULL,
    state jsonb,
    revision bigint NOT NULL,
    changed_at timestamptz NOT NULL
);

-- Who teaches which group what, and who is the class teacher, with the days from and to.
CREATE TABLE teaching (
    teaching_id uuid PRIMARY KEY,
    school_id uuid NOT NULL,
    source text NOT NULL,
    external_id text NOT NULL,
    teacher_id uuid NOT NULL,
    group_id uuid NOT NULL,
    -- Null for a class teacher.
    subject_id uuid,
    role text NOT NULL CHECK (role IN ('subject_teacher', 'class_teacher')),
    starts_on date,
    ends_on date,
    author_id uuid,
    state text NOT NULL CHECK (state IN ('active', 'withdrawn')),
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    revision bigint NOT NULL CHECK (revision >= 1)
);
CREATE INDEX teaching_group ON teaching (group_id);
CREATE INDEX teaching_school_teacher ON teaching (school_id, teacher_id);

-- The curriculum plan: how much is to be taught, for the statistics of C5.2.
CREATE TABLE curriculum_plan (
    curriculum_id uuid PRIMARY KEY,
    school_id uuid NOT NULL,
    source text NOT NULL,
    external_id text NOT NULL,
    group_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    period_id uuid NOT NULL,
    lesson_type text NOT NULL,
    -- Lessons, or academic hours where the school counts these.
    hours numeric(6, 2) NOT NULL CHECK (hours >= 0),
    author_id uuid,
    state text NOT NULL CHECK (state IN ('active', 'withdrawn')),
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    revision bigint NOT NULL CHECK (revision >= 1)
);
CREATE INDEX curriculum_plan_group_subject_period ON curriculum_plan (group_id, subject_id, period_id);
CREATE INDEX curriculum_plan_school_period ON curriculum_plan (school_id, period_id);

-- The weekly timetable; a new version of a slot is a new row, the old one ends.
CREATE TABLE timetable_slots (
    slot_id uuid PRIMARY KEY,
    school_id uuid NOT NULL,
    source text NOT NULL,
    external_id text NOT NULL,
    group_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    teacher_id uuid,
    room text NOT NULL,
    -- ISO: 1 is Monday.
    weekday bigint NOT NULL CHECK (weekday BETWEEN 1 AND 7),
    number bigint NOT NULL CHECK (number BETWEEN 0 AND 15),
    -- In the school's time zone.
    starts_at time,
    ends_at time,
    valid_from date NOT NULL,
    -- The last day; null: until further notice.
    valid_to date CHECK (valid_to >= valid_from),
    author_id uuid,
    state text NOT NULL CHECK (state IN ('active', 'withdrawn')),
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    revision bigint NOT NULL CHECK (revision >= 1)
);
CREATE INDEX timetable_slots_group_weekday ON timetable_slots (group_id, weekday);
CREATE INDEX timetable_slots_school_weekday ON timetable_slots (school_id, weekday);
-- What timetable-changed says of a group at its revision.
CREATE TABLE timetables (
    group_id uuid PRIMARY KEY,
    school_id uuid NOT NULL,
    state jsonb,
    revision bigint NOT NULL,
    changed_at timestamptz NOT NULL
);

-- Dated lessons.
CREATE TABLE lessons (
    lesson_id uuid PRIMARY KEY,
    school_id uuid NOT NULL,
    source text NOT NULL,
    external_id text NOT NULL,
    group_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    teacher_id uuid,
    lesson_on date NOT NULL,
    number bigint NOT NULL CHECK (number BETWEEN 0 AND 15),
    starts_at time,
    ends_at time,
    room text NOT NULL,
    lesson_type text NOT NULL,
    topic text NOT NULL,
    author_id uuid,
    state text NOT NULL CHECK (state IN ('planned', 'held', 'cancelled', 'withdrawn')),
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    revision bigint NOT NULL CHECK (revision >= 1)
);
CREATE INDEX lessons_group_day ON lessons (group_id, lesson_on);
CREATE INDEX lessons_school_day ON lessons (school_id, lesson_on);
CREATE INDEX lessons_teacher_day ON lessons (teacher_id, lesson_on) WHERE teacher_id IS NOT NULL;

-- Lessons of the timetable that are given otherwise, elsewhere, at another time, or not at all.
CREATE TABLE substitutions (
    substitution_id uuid PRIMARY KEY,
    school_id uuid NOT NULL,
    source text NOT NULL,
    external_id text NOT NULL,
    group_id uuid NOT NULL,
    lesson_id uuid,
    -- Date and number of the lesson as the timetable has it.
    lesson_on date NOT NULL,
    number bigint NOT NULL CHECK (number BETWEEN 0 AND 15),
    subject_id uuid,
    kind text NOT NULL CHECK (kind IN ('replaced', 'moved', 'cancelled')),
    new_teacher_id uuid,
    new_subject_id uuid,
    new_room text NOT NULL,
    moved_to_on date,
    moved_to_number bigint CHECK (moved_to_number BETWEEN 0 AND 15),
    reason text,
    author_id uuid,
    state text NOT NULL CHECK (state IN ('announced', 'revoked')),
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    revision bigint NOT NULL CHECK (revision >= 1)
);
CREATE INDEX substitutions_group_day ON substitutions (group_id, lesson_on);
CREATE INDEX substitutions_group_moved_to_on ON substitutions (group_id, moved_to_on) WHERE moved_to_on IS NOT NULL;
CREATE INDEX substitutions_school_day ON substitutions (school_id, lesson_on);

CREATE TABLE control_works (
    control_work_id uuid PRIMARY KEY,
    school_id uuid NOT NULL,
    source text NOT NULL,
    external_id text NOT NULL,
    group_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    planned_on date NOT NULL,
    number bigint CHECK (number BETWEEN 0 AND 15),
    kind text NOT NULL,
    title text NOT NULL,
    author_id uuid,
    state text NOT NULL CHECK (state IN ('planned', 'cancelled')),
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    revision bigint NOT NULL CHECK (revision >= 1)
);
CREATE INDEX control_works_group_day ON control_works (group_id, planned_on);
CREATE INDEX control_works_school_day ON control_works (school_id, planned_on);

CREATE TABLE homework (
    homework_id uuid PRIMARY KEY,
    school_id uuid NOT NULL,
    source text NOT NULL,
    external_id text NOT NULL,
    group_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    lesson_id uuid,
    assigned_on date NOT NULL,
    due_on date,
    content text NOT NULL,
    -- Links: [{title, url}].
    attachments jsonb NOT NULL,
    -- Ids of students, sorted; empty: the whole group.
    student_ids jsonb NOT NULL,
    author_id uuid,
    state text NOT NULL CHECK (state IN ('assigned', 'withdrawn')),
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    revision bigint NOT NULL CHECK (revision >= 1)
);
CREATE INDEX homework_group_day ON homework (group_id, assigned_on);
CREATE INDEX homework_school_day ON homework (school_id, assigned_on);
-- Whom homework for single students is for, by student: the other side of homework.student_ids.
CREATE TABLE homework_students (
    homework_id uuid NOT NULL,
    student_id uuid NOT NULL,
    school_id uuid NOT NULL,
    PRIMARY KEY (homework_id, student_id)
);
CREATE INDEX homework_students_student ON homework_students (student_id);

-- Recommendations, and the observations that take the place of marks in grade 1.
CREATE TABLE recommendations (
    recommendation_id uuid PRIMARY KEY,
    school_id uuid NOT NULL,
    source text NOT NULL,
    external_id text NOT NULL,
    -- Null: for the whole group.
    student_id uuid,
    group_id uuid,
    subject_id uuid,
    given_on date NOT NULL,
    kind text NOT NULL CHECK (kind IN ('recommendation', 'observation')),
    content text NOT NULL,
    author_id uuid,
    state text NOT NULL CHECK (state IN ('given', 'withdrawn')),
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    revision bigint NOT NULL CHECK (revision >= 1)
);
CREATE INDEX recommendations_student_day ON recommendations (student_id, given_on);
CREATE INDEX recommendations_group_day ON recommendations (group_id, given_on);
CREATE INDEX recommendations_school_day ON recommendations (school_id, given_on);

-- Absence and lateness. Never marks.
CREATE TABLE attendance (
    attendance_id uuid PRIMARY KEY,
    school_id uuid NOT NULL,
    source text NOT NULL,
    external_id text NOT NULL,
    student_id uuid NOT NULL,
    group_id uuid,
    subject_id uuid,
    lesson_id uuid,
    lesson_on date NOT NULL,
    -- Null, and no lesson: the whole day.
    number bigint CHECK (number BETWEEN 0 AND 15),
    code text NOT NULL CHECK (code IN ('absent', 'ill', 'valid_reason', 'late')),
    author_id uuid,
    state text NOT NULL CHECK (state IN ('recorded', 'withdrawn')),
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    revision bigint NOT NULL CHECK (revision >= 1)
);
CREATE INDEX attendance_student_day ON attendance (student_id, lesson_on);
CREATE INDEX attendance_group_day ON attendance (group_id, lesson_on);
CREATE INDEX attendance_school_day ON attendance (school_id, lesson_on);

-- Superseded revisions. The columns follow the live table's, in its order; a migration that widens one widens both.
CREATE TABLE campus_history (LIKE campuses, PRIMARY KEY (campus_id, revision));
CREATE TABLE school_year_history (LIKE school_years, PRIMARY KEY (school_year_id, revision));
CREATE TABLE holiday_history (LIKE holidays, PRIMARY KEY (holiday_id, revision));
CREATE TABLE teaching_history (LIKE teaching, PRIMARY KEY (teaching_id, revision));
CREATE TABLE curriculum_history (LIKE curriculum_plan, PRIMARY KEY (curriculum_id, revision));
CREATE TABLE timetable_slot_history (LIKE timetable_slots, PRIMARY KEY (slot_id, revision));
CREATE TABLE lesson_history (LIKE lessons, PRIMARY KEY (lesson_id, revision));
CREATE TABLE substitution_history (LIKE substitutions, PRIMARY KEY (substitution_id, revision));
CREATE TABLE control_work_history (LIKE control_works, PRIMARY KEY (control_work_id, revision));
CREATE TABLE homework_history (LIKE homework, PRIMARY KEY (homework_id, revision));
CREATE TABLE recommendation_history (LIKE recommendations, PRIMARY KEY (recommendation_id, revision));
CREATE TABLE attendance_history (LIKE attendance, PRIMARY KEY (attendance_id, revision));
REVOKE UPDATE, DELETE, TRUNCATE ON
    campus_history,
    school_year_history,
    holiday_history,
    teaching_history,
    curriculum_history,
    timetable_slot_history,
    lesson_history,
    substitution_history,
    control_work_history,
    homework_history,
    recommendation_history,
    attendance_history,
    school_policy_history
FROM sutki_gradebook;

-- Row level security as in the first migration; the district's policy is a CASE for the planner's sake.
ALTER TABLE former_memberships ENABLE ROW LEVEL SECURITY;
ALTER TABLE former_memberships FORCE ROW LEVEL SECURITY;
ALTER TABLE roster_statements ENABLE ROW LEVEL SECURITY;
ALTER TABLE roster_statements FORCE ROW LEVEL SECURITY;
ALTER TABLE school_policies ENABLE ROW LEVEL SECURITY;
ALTER TABLE school_policies FORCE ROW LEVEL SECURITY;
ALTER TABLE school_policy_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE school_policy_history FORCE ROW LEVEL SECURITY;
ALTER TABLE calendars ENABLE ROW LEVEL SECURITY;
ALTER TABLE calendars FORCE ROW LEVEL SECURITY;
ALTER TABLE timetables ENABLE ROW LEVEL SECURITY;
ALTER TABLE timetables FORCE ROW LEVEL SECURITY;
ALTER TABLE homework_students ENABLE ROW LEVEL SECURITY;
ALTER TABLE homework_students FORCE ROW LEVEL SECURITY;
ALTER TABLE campuses ENABLE ROW LEVEL SECURITY;
ALTER TABLE campuses FORCE ROW LEVEL SECURITY;
ALTER TABLE school_years ENABLE ROW LEVEL SECURITY;
ALTER TABLE school_years FORCE ROW LEVEL SECURITY;
ALTER TABLE holidays ENABLE ROW LEVEL SECURITY;
ALTER TABLE holidays FORCE ROW LEVEL SECURITY;
ALTER TABLE teaching ENABLE ROW LEVEL SECURITY;
ALTER TABLE teaching FORCE ROW LEVEL SECURITY;
ALTER TABLE curriculum_plan ENABLE ROW LEVEL SECURITY;
ALTER TABLE curriculum_plan FORCE ROW LEVEL SECURITY;
ALTER TABLE timetable_slots ENABLE ROW LEVEL SECURITY;
ALTER TABLE timetable_slots FORCE ROW LEVEL SECURITY;
ALTER TABLE lessons ENABLE ROW LEVEL SECURITY;
ALTER TABLE lessons FORCE ROW LEVEL SECURITY;
ALTER TABLE substitutions ENABLE ROW LEVEL SECURITY;
ALTER TABLE substitutions FORCE ROW LEVEL SECURITY;
ALTER TABLE control_works ENABLE ROW LEVEL SECURITY;
ALTER TABLE control_works FORCE ROW LEVEL SECURITY;
ALTER TABLE homework ENABLE ROW LEVEL SECURITY;
ALTER TABLE homework FORCE ROW LEVEL SECURITY;
ALTER TABLE recommendations ENABLE ROW LEVEL SECURITY;
ALTER TABLE recommendations FORCE ROW LEVEL SECURITY;
ALTER TABLE attendance ENABLE ROW LEVEL SECURITY;
ALTER TABLE attendance FORCE ROW LEVEL SECURITY;
ALTER TABLE campus_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE campus_history FORCE ROW LEVEL SECURITY;
ALTER TABLE school_year_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE school_year_history FORCE ROW LEVEL SECURITY;
ALTER TABLE holiday_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE holiday_history FORCE ROW LEVEL SECURITY;
ALTER TABLE teaching_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE teaching_history FORCE ROW LEVEL SECURITY;
ALTER TABLE curriculum_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE curriculum_history FORCE ROW LEVEL SECURITY;
ALTER TABLE timetable_slot_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE timetable_slot_history FORCE ROW LEVEL SECURITY;
ALTER TABLE lesson_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE lesson_history FORCE ROW LEVEL SECURITY;
ALTER TABLE substitution_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE substitution_history FORCE ROW LEVEL SECURITY;
ALTER TABLE control_work_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE control_work_history FORCE ROW LEVEL SECURITY;
ALTER TABLE homework_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE homework_history FORCE ROW LEVEL SECURITY;
ALTER TABLE recommendation_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE recommendation_history FORCE ROW LEVEL SECURITY;
ALTER TABLE attendance_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE attendance_history FORCE ROW LEVEL SECURITY;

CREATE POLICY district ON former_memberships USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON roster_statements USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON school_policies USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON school_policy_history USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON calendars USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON timetables USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON homework_students USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON campuses USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON school_years USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON holidays USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON teaching USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON curriculum_plan USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON timetable_slots USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON lessons USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON substitutions USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON control_works USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON homework USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON recommendations USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON attendance USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON campus_history USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON school_year_history USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON holiday_history USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON teaching_history USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON curriculum_history USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON timetable_slot_history USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON lesson_history USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON substitution_history USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON control_work_history USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON homework_history USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON recommendation_history USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON attendance_history USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);

CREATE POLICY school ON former_memberships USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON roster_statements USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON school_policies USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON school_policy_history USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON calendars USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON timetables USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON homework_students USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON campuses USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON school_years USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON holidays USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON teaching USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON curriculum_plan USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON timetable_slots USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON lessons USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON substitutions USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON control_works USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON homework USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON recommendations USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON attendance USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON campus_history USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON school_year_history USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON holiday_history USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON teaching_history USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON curriculum_history USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON timetable_slot_history USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON lesson_history USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON substitution_history USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON control_work_history USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON homework_history USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON recommendation_history USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON attendance_history USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
