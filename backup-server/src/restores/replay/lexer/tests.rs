//! The lexer against nasty dumps, cut at every place.

use super::*;

const NASTY: &str = concat!(
    "--\n-- PostgreSQL database dump\n--\n\n\\restrict aBc123\n\n-- Dumped from database version 15.18 (Debian)\n",
    "-- Dumped by pg_dump version 18.1\n\nSET transaction_timeout = 0;\n;;",
    "CREATE TABLE public.\"a;b\"\"--\" (x text DEFAULT 'it''s; \\', y text DEFAULT E'\\'; \\\\', z int[] /* ; /* ' */ $$ */);\r\n",
    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $_$ BEGIN; '$$; $x$ ' $_ $; END $_$;\n",
    "CREATE FUNCTION a$b$(x int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN $1 > 0 THEN 1 END; SELECT 2; END;\n",
    "CREATE OR REPLACE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC SELECT 1; END;\n",
    "CREATE RULE r AS ON INSERT TO t DO INSTEAD (SELECT 1; SELECT ';');\n",
    "SELECT 5-3, 4/2, 1$$;$$, U&'d\\0061t;', E'a' -- ' ;\n  '\\';', 'b\\', \"c\\\";\n",
    "COPY public.t (a, b) FROM stdin;\n1\tone\\ntwo\\\\\n2\t\\N\n3\t\\\\.\n4\t--'$$;\n\\.\n\n",
    "COPY public.empty (a) FROM stdin;\r\n\\.\r\nCOMMENT ON TABLE public.t IS '\n--\n-- PostgreSQL database dump complete\n';\n",
    "COPY public.none  FROM stdin;\n\n\n\\.\n",
    "--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict aBc123\n\n",
);

/// All pieces, rows of one `COPY` joined.
fn pieces<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Piece>, Refusal> {
    let mut lexer = Lexer::default();
    let mut pieces = Vec::new();
    let mut take = |lexer: &mut Lexer| {
        while let Some(piece) = lexer.next()? {
            match (piece, pieces.last_mut()) {
                (Piece::Rows(data, more), Some(Piece::Rows(rows, count))) => {
                    *rows = [&rows[..], &data[..]].concat().into();
                    *count += more;
                }
                (piece, _) => pieces.push(piece),
            }
        }
        Ok(())
    };
    for part in parts {
        lexer.push(part);
        take(&mut lexer)?;
    }
    lexer.end();
    take(&mut lexer)?;
    Ok(pieces)
}

fn whole(text: &str) -> Result<Vec<Piece>, Refusal> {
    pieces([text.as_bytes()])
}

fn with_end(text: &str) -> String {
    format!("{text}\n-- PostgreSQL database dump complete\n")
}

fn statements(text: &str) -> Vec<String> {
    let all = whole(&with_end(text)).unwrap();
    all.into_iter().filter_map(|piece| if let Piece::Statement(text) = piece { Some(text) } else { None }).collect()
}

#[test]
fn a_nasty_dump_is_split_where_postgresql_splits_it() {
    let all = whole(NASTY).unwrap();
    let begins = [
        "-- Dumped from database version 15.18 (Debian)",
        "-- Dumped by",
        "SET ",
        "CREATE TABLE public.\"a;b",
        "CREATE FUNCTION f()",
        "CREATE FUNCTION a$b$(x",
        "CREATE OR REPLACE PROCEDURE",
        "CREATE RULE",
        "SELECT 5-3",
        "COPY public.t",
        "1\tone",
        "end",
        "COPY public.empty",
        "end",
        "COMMENT ON",
        "COPY public.none",
        "\n\n",
        "end",
    ];
    assert_eq!(all.len(), begins.len(), "{all:#?}");
    for (piece, begin) in all.iter().zip(begins) {
        let text = match piece {
            Piece::Statement(text) | Piece::Origin(text) => text.clone(),
            Piece::Rows(rows, _) => String::from_utf8(rows.to_vec()).unwrap(),
            Piece::EndOfRows => "end".to_owned(),
        };
        assert!(text.starts_with(begin), "{text} does not begin with {begin}");
    }
    assert_eq!(all[10], Piece::Rows("1\tone\\ntwo\\\\\n2\t\\N\n3\t\\\\.\n4\t--'$$;\n".into(), 4));
    assert_eq!(all[16], Piece::Rows("\n\n".into(), 2));
}

#[test]
fn it_does_not_matter_where_the_bytes_are_cut() {
    let expected = whole(NASTY).unwrap();
    for cut in 0..=NASTY.len() {
        let (left, right) = NASTY.as_bytes().split_at(cut);
        assert_eq!(pieces([left, right]).unwrap(), expected, "cut at {cut}");
    }
    for size in [1, 2, 3, 7, 64] {
        assert_eq!(pieces(NASTY.as_bytes().chunks(size)).unwrap(), expected, "in pieces of {size}");
    }
}

#[test]
fn a_dump_that_is_cut_anywhere_is_refused() {
    let end =
        NASTY.rfind("-- PostgreSQL database dump complete").unwrap() + "-- PostgreSQL database dump complete".len();
    for cut in 0..end {
        let left = &NASTY.as_bytes()[..cut];
        assert!(pieces([left]).is_err(), "cut at {cut}: {:?}", String::from_utf8_lossy(left));
        assert!(pieces(left.chunks(1)).is_err(), "cut at {cut}, byte by byte");
    }
    assert!(whole(&NASTY[..end]).is_ok());
}

#[test]
fn what_stands_behind_the_last_line_makes_it_another_dump() {
    assert_eq!(whole(&with_end("")), Ok(vec![]));
    for more in ["SELECT 1;", "x", "'", "/*", "COPY t FROM stdin;\n"] {
        assert_eq!(whole(&format!("{}{more}", with_end(""))), Err(Refusal::Truncated), "{more}");
    }
}

#[test]
fn meta_commands_are_refused_wherever_they_stand() {
    for text in [
        "\\! touch /tmp/x\n",
        "  \\copy t from program 'x'\n",
        "SELECT 1 \\g /tmp/x\n;",
        "SELECT 1; \\o x\n",
        "\\connect other\n",
        "\\restrict\n",
        "\\restrict a b\n",
        "\\restrict x\\! id\n",
        "\\restrictx y\n",
        "/* c */ \\i x\n",
        "SELECT 1\n\\restrict abc\n;",
        "\\.\n",
        "COPY t FROM stdin;\n\\! id\n\\.\n",
        "COPY t FROM stdin;\na\\! id\n\\.\n",
        "COPY t FROM stdin;\na\\.\n\\.\n",
        "COPY t FROM stdin;\n\\.x\n\\.\n",
        "COPY t FROM stdin; \\! id\n\\.\n",
    ] {
        let refused = whole(&with_end(text)).unwrap_err();
        assert!(matches!(refused, Refusal::MetaCommand(_) | Refusal::Rows), "{text}: {refused:?}");
    }
}

#[test]
fn a_comment_ends_where_postgresql_ends_it() {
    assert_eq!(statements("-- x\rDROP DATABASE a;\n"), ["DROP DATABASE a"]);
    assert_eq!(statements("/* /* */ DROP */ SELECT 1;"), ["SELECT 1"]);
    assert_eq!(statements("SELECT '/*'; SELECT '*/';"), ["SELECT '/*'", "SELECT '*/'"]);
}

#[test]
fn a_statement_may_be_so_long_and_no_longer() {
    let mut lexer = Lexer::with_limit(1000);
    let row = "x".repeat(900) + "\n";
    lexer.push(b"COPY t FROM stdin;\n");
    for _ in 0..10 {
        lexer.push(row.as_bytes());
        while lexer.next().unwrap().is_some() {}
        assert!(lexer.buffer.len() < 1000);
    }
    lexer.push(b"\\.\nSELECT '");
    let refused = (0..10).find_map(|_| {
        lexer.push(row.as_bytes());
        loop {
            match lexer.next() {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(refused) => return Some(refused),
            }
        }
    });
    assert_eq!(refused, Some(Refusal::TooLong { limit: 1000 }));
}

#[test]
fn what_is_no_text_is_refused() {
    assert_eq!(pieces([&b"SELECT '\xff';"[..]]), Err(Refusal::NotUtf8));
    assert_eq!(pieces([&b"SELECT 1\0;"[..]]), Err(Refusal::NotUtf8));
}
