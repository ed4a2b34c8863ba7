-- Whether the registry of consents still knows the authority of a representative: by document, court decision or term.
-- The journal may not know of its end yet; whoever has none is owed nothing, on no route.
ALTER TABLE consents ADD COLUMN authority text NOT NULL DEFAULT 'in_force' CHECK (authority IN ('in_force', 'ended'));
CREATE INDEX consents_without_authority ON consents (student_id, representative_id) WHERE authority = 'ended';
