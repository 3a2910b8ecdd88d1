//! Dumps that want more than to be a database: refused, with nothing changed and no program run. They are replayed as a
//! superuser, so that it is not PostgreSQL's rights that save the day.

use backup_api::FailureCode;
use backup_server::restores::replay;
use sqlx::Connection;
use testbed::Cluster;
use tokio_util::sync::CancellationToken;

use crate::support::{connect, dump_of, scratch, stream_of};

/// A function that would rename a database that it does not belong to.
const EVIL: &str = "CREATE FUNCTION public.evil(i int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN \
    EXECUTE 'ALTER DA' || 'TABASE replay_live RENAME TO replay_gone'; RETURN i; END $$;\n\
    CREATE FUNCTION public.sets() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
    EXECUTE 'ALTER ROLE odoo CREATEROLE'; RETURN NEW; END $$;\nCREATE TABLE public.a (i int);\n";

/// What comes after [`EVIL`]. `CANARY` is a file that must not be there afterwards.
const HOSTILE: [&str; 58] = [
    "\\! touch CANARY\n",
    "SELECT 1 \\! touch CANARY\n;",
    "COMMENT ON TABLE public.a IS 'x' \\g | touch CANARY\n",
    "\\copy public.a from program 'touch CANARY'\n",
    "\\o | touch CANARY\n",
    "\\o CANARY\n",
    "\\i CANARY\n",
    "\\ir CANARY\n",
    "\\include CANARY\n",
    "\\w CANARY\n",
    "\\s CANARY\n",
    "\\e CANARY\n",
    "\\lo_export 1 CANARY\n",
    "\\setenv PAGER 'touch CANARY'\n",
    "\\set x `touch CANARY`\n",
    "\\connect replay_live\n",
    "\\c replay_live\n",
    "\\unrestrict x\n\\! touch CANARY\n",
    "\\restrict x\\! touch CANARY\n",
    "-- harmless\r\\! touch CANARY\n",
    "COPY public.unknown (a) FROM stdin;\n\\! touch CANARY\n\\.\n",
    "COPY public.a (i) FROM stdin;\n\\.\n\\! touch CANARY\n",
    "COPY public.a (i) FROM stdin;\n1\\! touch CANARY\n\\.\n",
    "COPY public.a FROM PROGRAM 'touch CANARY; echo 1';",
    "COPY public.a (i) FROM PROGRAM $$touch CANARY$$;",
    "COPY public.a TO PROGRAM 'touch CANARY';",
    "COPY (SELECT 1) TO 'CANARY';",
    "COPY public.a TO 'CANARY';",
    "COPY public.a FROM '/etc/hostname';",
    "SELECT pg_catalog.lo_import('/etc/hostname');",
    "SELECT pg_catalog.lo_export(1, 'CANARY');",
    "SELECT pg_catalog.pg_read_file('/etc/hostname');",
    "CREATE EXTENSION file_fdw;",
    "CREATE EXTENSION dblink;",
    "CREATE EXTENSION adminpack;",
    "CREATE FUNCTION public.run(cstring) RETURNS int LANGUAGE c AS 'libc.so.6', 'system';",
    "DO $$ BEGIN EXECUTE 'COPY (SELECT 1) TO PROGRAM ''touch CANARY'''; END $$;",
    "CALL public.p();",
    "ALTER SYSTEM SET archive_command = 'touch CANARY';",
    "ALTER DATABASE replay_live RENAME TO replay_gone;",
    "ALTER DATABASE replay_live SET search_path = evil;",
    "DROP DATABASE replay_live;",
    "CREATE DATABASE replay_other;",
    "CREATE ROLE replay_evil LOGIN SUPERUSER;",
    "ALTER ROLE odoo SUPERUSER;",
    "GRANT postgres TO odoo;",
    "SET ROLE odoo;",
    "SET SESSION AUTHORIZATION odoo;",
    "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION public.sets();",
    "CREATE TRIGGER t BEFORE INSERT ON public.a FOR EACH ROW EXECUTE FUNCTION public.sets();\nCOPY public.a (i) FROM stdin;\n1\n\\.\n",
    "CREATE RULE r AS ON INSERT TO public.a DO ALSO SELECT public.evil(1);\nINSERT INTO public.a VALUES (1);",
    "INSERT INTO public.a VALUES (public.evil(1));",
    "CREATE TABLE public.b AS SELECT public.evil(1);",
    "CREATE TABLE public.b (i int CHECK (public.evil(i) > 0));\nCOPY public.b (i) FROM stdin;\n1\n\\.\n",
    "COPY public.a (i) FROM stdin;\n1\n\\.\nCREATE INDEX x ON public.a USING btree (public.evil(i));",
    "CREATE MATERIALIZED VIEW public.m AS SELECT public.evil(1) WITH NO DATA;\nREFRESH MATERIALIZED VIEW public.m;",
    "SELECT public.evil(1);",
    "SELECT pg_catalog.setval('public.s', public.evil(1), true);",
];

/// Everything that all databases of the server share.
fn outside() -> String {
    let sql = "SELECT string_agg(x, E'\\n' ORDER BY x) FROM (
        SELECT d::text FROM pg_database d WHERE datname IN ('replay_live', 'replay_gone', 'replay_other')
        UNION ALL SELECT r.rolname || r.rolsuper || r.rolcreaterole || r.rolcreatedb || coalesce(r.rolpassword, '') FROM pg_authid r
        UNION ALL SELECT m::text FROM pg_auth_members m
        UNION ALL SELECT s::text FROM pg_db_role_setting s
        UNION ALL SELECT t::text FROM pg_tablespace t
        UNION ALL SELECT s.name || s.setting FROM pg_file_settings s) AS of (x)";
    Cluster::shared().sql_as("postgres", "postgres", sql).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_dumps_change_nothing_and_run_nothing() {
    let cluster = Cluster::shared();
    scratch("replay_live");
    cluster.drop_database("replay_hostile").unwrap();
    let folder = cluster.socket_folder();
    let before = outside();
    for (number, hostile) in HOSTILE.into_iter().enumerate() {
        let canary = folder.join(format!("canary-{number}"));
        let statements = format!("{EVIL}{}", hostile.replace("CANARY", &canary.display().to_string()));
        let dump = dump_of(&statements);
        cluster.create_database("replay_hostile", None).unwrap();
        let mut connection = connect("postgres", "replay_hostile").await;
        let replayed = replay::replay(stream_of(&dump), &mut connection, |_| (), &CancellationToken::new()).await;
        let _ = connection.close().await;
        let failure = replayed.expect_err(hostile);
        assert_eq!(failure.code, FailureCode::Sql, "{hostile}: {failure:?}");
        assert!(failure.message.contains("refused"), "{hostile}: {failure:?}");
        assert!(!canary.exists(), "{hostile} ran a program");
        let read = replay::read(stream_of(&dump), |_| (), &CancellationToken::new()).await;
        assert_eq!(read.expect_err(hostile), failure, "reading refuses what replaying refuses");
        assert_eq!(outside(), before, "{hostile} changed something");
        // As the superuser: the superuser's session may still be there.
        cluster.sql_as("postgres", "postgres", "DROP DATABASE replay_hostile WITH (FORCE)").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_evil_function_would_have_worked() {
    // Without this, the test above could pass because the attack itself is broken.
    let cluster = Cluster::shared();
    let database = scratch("replay_evil_itself");
    cluster.drop_database("replay_second_gone").unwrap();
    scratch("replay_second_live");
    let evil = EVIL.replace("replay_live", "replay_second_live").replace("replay_gone", "replay_second_gone");
    cluster.sql(database, &evil).unwrap();
    let checked = "CREATE TABLE b (i int CHECK (evil(i) > 0)); INSERT INTO b VALUES (1)";
    cluster.sql(database, checked).unwrap();
    let found = cluster.sql("postgres", "SELECT datname FROM pg_database WHERE datname LIKE 'replay_second%'").unwrap();
    assert_eq!(found, "replay_second_gone");
    cluster.drop_database("replay_second_gone").unwrap();
}
