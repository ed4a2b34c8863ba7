-- Sets the passwords of the services' roles from the environment of psql, so that no value stands on a command line:
-- <SERVICE>_PASSWORD for sutki_<service>, <SERVICE>_OWNER_PASSWORD for sutki_<service>_owner. Run it after roles.sql, and
-- again to change them; a variable that is not set is an error.

\getenv cabinet CABINET_PASSWORD
\getenv cabinet_owner CABINET_OWNER_PASSWORD
\getenv consent CONSENT_PASSWORD
\getenv consent_owner CONSENT_OWNER_PASSWORD
\getenv extracts EXTRACTS_PASSWORD
\getenv extracts_owner EXTRACTS_OWNER_PASSWORD
\getenv gradebook GRADEBOOK_PASSWORD
\getenv gradebook_owner GRADEBOOK_OWNER_PASSWORD
\getenv publisher PUBLISHER_PASSWORD
\getenv publisher_owner PUBLISHER_OWNER_PASSWORD

SELECT format('ALTER ROLE %I PASSWORD %L', role.rolname, secret.value)
FROM (VALUES
        ('sutki_cabinet', :'cabinet'), ('sutki_cabinet_owner', :'cabinet_owner'),
        ('sutki_consent', :'consent'), ('sutki_consent_owner', :'consent_owner'),
        ('sutki_extracts', :'extracts'), ('sutki_extracts_owner', :'extracts_owner'),
        ('sutki_gradebook', :'gradebook'), ('sutki_gradebook_owner', :'gradebook_owner'),
        ('sutki_publisher', :'publisher'), ('sutki_publisher_owner', :'publisher_owner')
     ) AS secret (rolname, value)
JOIN pg_roles AS role USING (rolname)
\gexec
