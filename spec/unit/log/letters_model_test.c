/* Random work on dead letters, held to a model that is an array; and kills at any instant. */
#include "letters.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 3000, ROOM = 20000 };

struct model {
    uint64_t records, settled; /* the first so many are settled */
    uint64_t newest;           /* number of the newest letter */
    size_t bytes[MOST];        /* by number; 0: it has gone */
    uint32_t attempts[MOST];
    uint64_t sum;
};

static uint64_t state;

static uint64_t some(uint64_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % n;
}

/* Several records end, some as letters that may be refused: then the rest of them waits. */
static void settle_some(struct rig *r, struct model *m)
{
    static char record[ROOM * 2];
    struct gw_dead_letter d[8];
    struct gw_settled items[8];
    struct rig_settle s = {.s = {.mail.fn = rig_settled, .items = items}};
    size_t n = 1 + some(8);

    if (m->settled + n > m->records)
        return;
    for (size_t i = 0; i < n; i++) {
        d[i] = (struct gw_dead_letter){
            .reason = "x", .record = {record, 1 + some(some(20) ? 1500 : ROOM * 2)}, .attempts = 1};
        items[i] = (struct gw_settled){
            {0, m->settled + 1 + i}, some(2) ? GW_DEAD : GW_PUBLISHED, &d[i], 7};
    }
    s.s.reply = r->loop;
    s.s.cursor = r->cursor;
    s.s.n = n;
    gw_log_settle(r->log, &s.s);
    while (!s.done)
        gw_loop_turn(r->loop, 1);
    CHECK(!s.s.failed);
    for (size_t i = 0; i < n; i++) {
        size_t bytes = items[i].end == GW_DEAD ? d[i].record.len : 0;

        CHECK(items[i].refused == (bytes && m->sum && m->sum + bytes > ROOM));
        if (items[i].refused) {
            rig_settle(r, m->settled + 1 + i, m->settled + 1 + i);
        } else if (bytes) {
            m->bytes[++m->newest] = bytes;
            m->attempts[m->newest] = 1;
            m->sum += bytes;
        }
    }
    m->settled += n;
}

static void change_some(struct rig *r, struct model *m)
{
    const struct gw_dead_letter again = {.reason = "again", .attempts = 2};

    for (uint64_t left = some(6); left > 0; left--) {
        uint64_t number = some(m->newest + 2);
        int drop = some(3) > 0, there = m->bytes[number] != 0;

        CHECK(letters_change(r, "p", number, drop ? NULL : &again) == there);
        if (there && !drop)
            m->attempts[number] += 2;
        if (there && drop) {
            m->sum -= m->bytes[number];
            m->bytes[number] = 0;
        }
    }
}

static void check(struct rig *r, const struct model *m)
{
    struct gw_letter l;
    struct gw_err err;
    struct gw_letters *all = gw_letters_open(r->log, &(struct gw_letter_query){0}, 1, &err);

    CHECK(all && rig_stats(r).dead_lettered == m->newest);
    CHECK(rig_stats(r).lag == m->records - m->settled);
    for (uint64_t i = 1; i <= m->newest; i++) {
        if (!m->bytes[i])
            continue;
        CHECK(gw_letters_next(all, r->mem, &l, &err) == 1 && l.number == i);
        CHECK(l.d.record.len == m->bytes[i] && l.d.attempts == m->attempts[i]);
        gw_arena_reset(r->mem);
    }
    CHECK(gw_letters_next(all, r->mem, &l, &err) == 0);
    gw_letters_close(all);
}

static void work(struct rig *r, struct model *m)
{
    gw_cursor_letters(r->cursor, ROOM, 0);
    for (int i = 0; i < 12; i++) {
        uint64_t n = some(10);

        if (n && m->records + n < MOST && !rig_append(r, m->records + 1, n, 20))
            m->records += n;
        settle_some(r, m);
        change_some(r, m);
        check(r, m);
    }
}

/* In a process that is gone without a word; the model comes back by a pipe. */
static void work_and_die(const struct gw_log_conf *conf, struct model *m)
{
    int fds[2], status;
    pid_t pid;

    CHECK(!pipe(fds));
    pid = fork();
    if (pid == 0) {
        struct rig r;

        alarm(30);
        rig_open(&r, conf);
        work(&r, m);
        rig_give(fds[1], m, sizeof(*m));
        _exit(0);
    }
    close(fds[1]);
    rig_take(fds[0], m, sizeof(*m));
    close(fds[0]);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void run(uint64_t seed, int type)
{
    struct gw_log_conf conf = rig_conf();
    static struct model m;
    struct rig r;

    memset(&m, 0, sizeof(m));
    state = seed * 0x9e3779b97f4a7c15 + 1;
    conf.type = type;
    for (int round = 0; round < 6; round++) {
        if (type == GW_LOG_EMBEDDED && round % 2) {
            work_and_die(&conf, &m);
            some(1 + (uint64_t)round); /* the child's numbers are not ours */
        }
        if (round == 0 || type == GW_LOG_EMBEDDED)
            rig_open(&r, &conf);
        check(&r, &m);
        work(&r, &m);
        if (round == 5 || type == GW_LOG_EMBEDDED)
            rig_close(&r);
    }
}

TEST(test_letters_embedded_are_what_the_model_has)
{
    run(1, GW_LOG_EMBEDDED);
}

TEST(test_letters_memory_are_what_the_model_has)
{
    run(2, GW_LOG_MEMORY);
}

/* ---- kills ---- */

/* Letters come and go without end; each tells its position in every byte of its record. */
static void churn(const struct gw_log_conf *conf, int progress)
{
    struct rig r;

    alarm(30);
    rig_open(&r, conf);
    for (uint64_t next = rig_stats(&r).accepted + 1;; next++) {
        static char record[30000];
        const struct gw_dead_letter d = {.reason = "x", .record = {record, sizeof(record)}};

        memset(record, 'a' + (int)(next % 26), sizeof(record));
        CHECK(!rig_append(&r, next, 1, 20) && !letters_settle(&r, r.cursor, next, &d));
        if (rig_stats(&r).dead_lettered > 5)
            letters_change(&r, "p", rig_stats(&r).dead_lettered - 5, NULL);
        CHECK(write(progress, "", 1) == 1);
    }
}

static void check_whole(const struct gw_log_conf *conf, uint64_t kills)
{
    struct gw_cursor_stats s;
    struct gw_letters *all;
    struct gw_letter l;
    struct gw_err err;
    struct rig r;
    uint64_t n = 0, newest = 0;

    rig_open(&r, conf);
    s = rig_stats(&r);
    all = gw_letters_open(r.log, &(struct gw_letter_query){0}, 1, &err);
    CHECK(all && s.lag <= 1);
    for (; gw_letters_next(all, r.mem, &l, &err) == 1; n++) {
        CHECK(l.d.record.len == 30000 && l.number <= l.at.offset);
        for (size_t i = 0; i < l.d.record.len; i++)
            CHECK(l.d.record.p[i] == 'a' + (int)(l.at.offset % 26));
        newest = l.number;
        gw_arena_reset(r.mem);
    }
    gw_letters_close(all);
    CHECK(newest == s.dead_lettered); /* the counts and the letters are one commit */
    CHECK(n >= 5 && n <= 5 + kills);  /* a kill may come before a change */
    if (s.lag)
        rig_settle(&r, s.accepted, s.accepted);
    rig_close(&r);
}

TEST(test_letters_are_whole_or_gone_after_a_kill_at_any_instant)
{
    struct gw_log_conf conf = rig_conf();

    for (int i = 0; i < 6; i++) {
        int fds[2], status;
        pid_t pid;
        char c;

        CHECK(!pipe(fds));
        pid = fork();
        if (pid == 0)
            churn(&conf, fds[1]);
        close(fds[1]);
        for (int k = 0; k < 7 + i; k++)
            CHECK(read(fds[0], &c, 1) == 1);
        CHECK(!kill(pid, SIGKILL) && waitpid(pid, &status, 0) == pid);
        close(fds[0]);
        check_whole(&conf, 1 + (uint64_t)i);
    }
}
