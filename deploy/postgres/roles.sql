-- Roles and databases of the five services, for an empty or an already prepared server. Run it with psql as a superuser:
--     psql --no-psqlrc --set ON_ERROR_STOP=1 --file roles.sql
-- Compose mounts it into the server's init folder; the embedded stack runs the same file.
--
-- Each service has its own database and two roles: `sutki_<service>_owner` owns the tables and is used by migrations only;
-- `sutki_<service>` is what the service connects as, owns nothing, and so is bound by row-level security.
-- Passwords are set apart from here, where the server is reached over a network.

\if :{?services}
\else
  \set services 'cabinet,consent,extracts,gradebook,publisher'
\endif

SELECT format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', name)
FROM unnest(string_to_array(:'services', ',')) AS service,
     LATERAL (VALUES ('sutki_' || service), ('sutki_' || service || '_owner')) AS role (name)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

-- Reading a family's data in the cabinet runs under a role that may read and nothing else, chosen for one transaction by
-- SET LOCAL ROLE. The service does not inherit its rights and it cannot sign in.
SELECT 'CREATE ROLE sutki_cabinet_reader NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sutki_cabinet_reader')
\gexec

SELECT CASE
         WHEN current_setting('server_version_num')::int >= 160000
         THEN 'GRANT sutki_cabinet_reader TO sutki_cabinet WITH INHERIT FALSE, SET TRUE'
         ELSE 'GRANT sutki_cabinet_reader TO sutki_cabinet'
       END
WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = 'sutki_cabinet')
\gexec

SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING ''UTF8''', 'sutki_' || service, 'sutki_' || service || '_owner')
FROM unnest(string_to_array(:'services', ',')) AS service
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'sutki_' || service)
\gexec

-- A service sees its own database only.
SELECT format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', 'sutki_' || service)
FROM unnest(string_to_array(:'services', ',')) AS service
\gexec

SELECT format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', 'sutki_' || service, 'sutki_' || service)
FROM unnest(string_to_array(:'services', ',')) AS service
\gexec
