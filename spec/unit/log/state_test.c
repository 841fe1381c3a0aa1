/* state.db as another version left it, and with damage among its dead letters. */
#include "letters.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

/* The first column of the last statement's first row; -1: none. */
static int64_t ask(const char *sql)
{
    int64_t n = -1;
    sqlite3 *db;

    CHECK(sqlite3_open_v2("data/state.db", &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK);
    while (*sql) {
        sqlite3_stmt *stmt;

        if (sqlite3_prepare_v2(db, sql, -1, &stmt, &sql) != SQLITE_OK)
            fprintf(stderr, "%s\n", sqlite3_errmsg(db));
        CHECK(stmt);
        n = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : -1;
        CHECK(sqlite3_finalize(stmt) == SQLITE_OK);
    }
    sqlite3_close(db);
    return n;
}

/* What version 1 made of it. */
static void make_old(void)
{
    ask("BEGIN;"
        "CREATE TABLE l (pipeline TEXT NOT NULL, number INTEGER NOT NULL, reason TEXT NOT NULL,"
        " event_id TEXT, attempts INTEGER NOT NULL, first_at INTEGER NOT NULL,"
        " last_at INTEGER NOT NULL, error TEXT, record BLOB, position INTEGER NOT NULL,"
        " PRIMARY KEY (pipeline, number));"
        "INSERT INTO l SELECT pipeline, number, reason, event_id, attempts, first_at, last_at,"
        " error, record, position FROM dead_letters;"
        "DROP TABLE dead_letters;"
        "ALTER TABLE l RENAME TO dead_letters;"
        "DROP TABLE letter_numbers;"
        "PRAGMA user_version = 1;"
        "COMMIT");
}

TEST(test_state_of_version_1_is_converted_with_all_its_letters)
{
    const struct gw_dead_letter absent = {.reason = "gave_up", .error = GW_STR("na\xc3\xafve")};
    struct gw_log_conf conf = rig_conf();
    struct gw_letters *all;
    struct gw_letter l;
    struct gw_err err;
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 9, 20);
    for (uint64_t i = 1; i <= 3; i++)
        CHECK(!letters_put(&r, i, 100, 77));
    CHECK(!letters_settle(&r, r.cursor, 4, &absent) && letters_change(&r, "p", 2, NULL));
    rig_close(&r);
    make_old();
    rig_open(&r, &conf);
    CHECK(ask("PRAGMA user_version") == 3 && ask("PRAGMA integrity_check(1)") == 0);
    CHECK(ask("SELECT sum(bytes) FROM dead_letters") == 206); /* bytes, not characters */
    CHECK_LETTERS(&r, "p/1 p/3 p/4");
    all = gw_letters_open(r.log, &(struct gw_letter_query){.number = 3}, 1, &err);
    CHECK(all && gw_letters_next(all, r.mem, &l, &err) == 1);
    CHECK(l.d.record.len == 96 && gw_str_is(l.d.error, "no") && gw_str_is(l.d.event_id, "id"));
    CHECK(l.d.last_at_ns == 77000000000 && l.d.attempts == 1 && l.at.offset == 3);
    CHECK(!strcmp(l.d.reason, "hook_error"));
    gw_letters_close(all);
    gw_cursor_letters(r.cursor, 306, 0);
    CHECK(letters_put(&r, 5, 101, 1) && !letters_put(&r, 5, 100, 1));
    CHECK_LETTERS(&r, "p/1 p/3 p/4 p/5");
    rig_reopen(&r); /* once */
    CHECK_LETTERS(&r, "p/1 p/3 p/4 p/5");
    rig_close(&r);
}

TEST(test_state_of_a_newer_version_is_left_alone)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_err err;
    struct rig r;

    rig_open(&r, &conf);
    rig_close(&r);
    ask("PRAGMA user_version = 4");
    CHECK(!gw_log_open(&conf, NULL, rig_failed, NULL, &err) && strstr(err.msg, "newer"));
    CHECK(ask("PRAGMA user_version") == 4);
}

TEST(test_state_without_a_cursors_row_gives_no_letters_number_again)
{
    struct gw_log_conf conf = rig_conf();
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 9, 20);
    CHECK(!letters_put(&r, 1, 100, 1) && !letters_put(&r, 2, 100, 1));
    rig_close(&r);
    ask("DELETE FROM cursors");
    rig_open(&r, &conf);
    gw_cursor_letters(r.cursor, 300, 0);
    CHECK(letters_put(&r, 3, 101, 1) && !letters_put(&r, 3, 100, 1));
    CHECK_LETTERS(&r, "p/1 p/2 p/3");
    rig_reopen(&r);
    CHECK_LETTERS(&r, "p/1 p/2 p/3");
    rig_close(&r);
}

/* ---- damage ---- */

/* A letter whose record is 50 pages of one byte. */
static void put_large(struct rig *r, uint64_t sequence, char byte)
{
    static char record[50 * 4096];
    const struct gw_dead_letter d = {.reason = "gave_up",
                                     .error = GW_STR("no"),
                                     .record = {record, sizeof(record)},
                                     .attempts = 1};

    memset(record, byte, sizeof(record));
    CHECK(!letters_settle(r, r->cursor, sequence, &d));
}

/* The pages of a record's chain lead nowhere any more. */
static void break_chain(char byte)
{
    static const char nowhere[4] = {0x7f, 0x7f, 0x7f, 0x7f};
    char page[4096];
    int fd = open("data/state.db", O_RDWR), broken = 0;

    CHECK(fd >= 0);
    for (off_t at = 0; pread(fd, page, sizeof(page), at) == sizeof(page); at += (off_t)sizeof(page))
        if (page[4] == byte && !memcmp(page + 4, page + 5, sizeof(page) - 5)) {
            CHECK(pwrite(fd, nowhere, 4, at) == 4);
            broken++;
        }
    CHECK(broken > 10 && !close(fd));
}

/* What is said of one letter, with its record or without. */
static const char *error_of(struct rig *r, uint64_t number, int whole)
{
    struct gw_letter_query q = {.number = number};
    struct gw_letters *all;
    struct gw_letter l;
    struct gw_err err;

    all = gw_letters_open(r->log, &q, whole, &err);
    CHECK(all && gw_letters_next(all, r->mem, &l, &err) == 1 && l.number == number);
    gw_letters_close(all);
    return gw_arena_strndup(r->mem, l.d.error.p, l.d.error.len);
}

TEST(test_state_with_a_damaged_letter_lists_the_others_and_goes_on)
{
    struct gw_log_conf conf = rig_conf();
    struct letters_change change;
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 9, 20);
    for (uint64_t i = 1; i <= 3; i++)
        put_large(&r, i, (char)('W' + i));
    rig_close(&r);
    break_chain('Y');
    rig_open(&r, &conf);
    CHECK_LETTERS(&r, "p/1 p/2 p/3");
    CHECK(!strcmp(error_of(&r, 2, 0), "no")); /* what is before the record is whole */
    CHECK(strstr(error_of(&r, 2, 1), "damaged") && !strcmp(error_of(&r, 3, 1), "no"));
    change = (struct letters_change){
        .c = {.mail.fn = letters_changed, .reply = r.loop, .pipeline = GW_STR("p"), .number = 2}};
    gw_letter_change(r.log, &change.c);
    CHECK(!letters_settle(&r, r.cursor, 4, NULL));
    while (!change.done)
        gw_loop_turn(r.loop, 1);
    CHECK(change.c.found && change.c.failed); /* it alone */
    CHECK(letters_change(&r, "p", 1, NULL) && rig_failures == 0);
    rig_reopen(&r);
    CHECK_LETTERS(&r, "p/2 p/3 p/4");
    CHECK(rig_stats(&r).dead_lettered == 4);
    rig_close(&r);
}

TEST(test_state_with_odd_values_in_a_letter_lists_it)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_letters *all;
    struct gw_letter l;
    struct gw_err err;
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 3, 20);
    for (uint64_t i = 1; i <= 3; i++)
        CHECK(!letters_put(&r, i, 50, 1));
    ask("UPDATE dead_letters SET reason = x'ff00fe', attempts = 'many', last_at = 'late',"
        " error = x'00', record = 7, event_id = 1.5, bytes = 1000000 WHERE number = 2");
    CHECK_LETTERS(&r, "p/1 p/2 p/3");
    all = gw_letters_open(r.log, &(struct gw_letter_query){.number = 2}, 1, &err);
    CHECK(all && gw_letters_next(all, r.mem, &l, &err) == 1 && l.d.attempts == 0);
    gw_letters_close(all);
    CHECK(letters_change(&r, "p", 2, NULL)); /* more than was counted goes */
    gw_cursor_letters(r.cursor, 10, 0);
    CHECK_LETTERS(&r, "p/1 p/3");
    rig_close(&r);
}
