/* Random work on a log, held to a model that is an array: appends, batches, reads, settles in any
 * order, closes and kills. */
#include "log/log.h"

#include "log/settled.h"
#include "logs.h"

#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 4000 };

struct model {
    uint64_t n;                /* records kept; record i has the number i */
    unsigned char end[MOST];   /* 1 + enum gw_end; 0: not settled */
    unsigned char given[MOST]; /* by this reader */
};

static uint64_t state;

static uint64_t some(uint64_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % n;
}

static void check(struct rig *r, const struct model *m)
{
    uint64_t count[4] = {0};
    struct gw_cursor_stats s = rig_stats(r);
    int64_t oldest = 0;

    for (uint64_t i = 1; i <= m->n; i++) {
        count[m->end[i]]++;
        if (!m->end[i] && !oldest)
            oldest = (int64_t)(1000 + i);
    }
    CHECK(s.accepted == m->n && s.lag == count[0] && s.published == count[1 + GW_PUBLISHED]);
    CHECK(s.filtered == count[1 + GW_FILTERED] && s.dead_lettered == count[1 + GW_DEAD]);
    CHECK(s.oldest_ns == oldest);
}

static void read_some(struct rig *r, struct model *m)
{
    for (uint64_t left = some(200); left > 0; left--) {
        struct gw_record rec;
        uint64_t next = 1, got;

        while (next <= m->n && (m->given[next] || m->end[next]))
            next++;
        got = rig_next(r, &rec);
        gw_arena_reset(r->mem);
        CHECK(got == (next <= m->n ? next : 0));
        if (!got)
            return;
        CHECK(rec.at.offset == got && !rec.damaged);
        m->given[got] = 1;
    }
}

/* Some of what was given and is not settled, in a random order. */
static void settle_some(struct rig *r, struct model *m)
{
    for (uint64_t left = some(8); left > 0; left--) {
        uint64_t from = 1, n = 1;
        enum gw_end end = (enum gw_end)some(3);

        while (from <= m->n && (!m->given[from] || m->end[from] || some(4) == 0))
            from++;
        while (from + n <= m->n && m->given[from + n] && !m->end[from + n] && n < 40)
            n++;
        if (from > m->n)
            return;
        CHECK(rig_settle_as(r, from, from + n - 1, end) == 0);
        memset(m->end + from, 1 + (int)end, n);
    }
}

static void append_some(struct rig *r, struct model *m)
{
    for (uint64_t left = some(6); left > 0; left--) {
        uint64_t n = 1 + some(5) * some(5);

        if (m->n + n >= MOST)
            return;
        CHECK(rig_append(r, m->n + 1, n, some(10) ? some(300) : some(60000)) == 0);
        m->n += n;
    }
}

static void work(struct rig *r, struct model *m, int steps)
{
    for (int i = 0; i < steps; i++) {
        append_some(r, m);
        read_some(r, m);
        settle_some(r, m);
        check(r, m);
    }
}

/* A part of the work in a process that is gone without a word; the model comes back by a pipe. */
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
        work(&r, m, 6);
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
    char path[32];
    struct rig r;

    memset(&m, 0, sizeof(m));
    state = seed * 0x9e3779b97f4a7c15 + 1;
    snprintf(path, sizeof(path), "data%llu", (unsigned long long)seed);
    conf.path = path;
    conf.type = type;
    for (int round = 0; round < 8; round++) {
        if (type == GW_LOG_EMBEDDED && some(3) == 0) {
            memset(m.given, 0, sizeof(m.given));
            work_and_die(&conf, &m);
            some(1 + (uint64_t)round); /* the child's numbers are not ours */
        }
        if (round == 0 || type == GW_LOG_EMBEDDED)
            rig_open(&r, &conf);
        if (type == GW_LOG_EMBEDDED)
            memset(m.given, 0, sizeof(m.given));
        check(&r, &m);
        work(&r, &m, 6);
        if (type == GW_LOG_EMBEDDED || round == 7)
            rig_close(&r);
    }
}

TEST(test_log_embedded_does_what_the_model_does)
{
    for (uint64_t seed = 1; seed <= 2; seed++)
        run(seed, GW_LOG_EMBEDDED);
}

TEST(test_log_memory_does_what_the_model_does)
{
    for (uint64_t seed = 1; seed <= 10; seed++)
        run(seed, GW_LOG_MEMORY);
}

/* ---- the settled set ---- */

TEST(test_settled_set_is_an_array_of_flags)
{
    static unsigned char flags[2000], other[2000];
    struct gw_settled_set s, t, back = {0};

    for (uint64_t seed = 1; seed <= 200; seed++) {
        uint64_t base = 1 + some(500), span = 1 + some(900), position = base, above = 0, both = 0;
        const struct gw_settled_set *sets[2] = {&s, &t};
        struct gw_buf b;

        state = seed;
        memset(flags, 0, sizeof(flags));
        memset(other, 0, sizeof(other));
        memset(flags, 1, base + 1);
        memset(other, 1, base + 1);
        gw_settled_init(&s, base);
        gw_settled_init(&t, base);
        for (uint64_t i = some(1500); i > 0; i--) {
            uint64_t at = base + 1 + some(span), at2 = base + 1 + some(span);

            CHECK(gw_settled_add(&s, at) == !flags[at]);
            flags[at] = 1;
            gw_settled_add(&t, at2);
            other[at2] = 1;
        }
        while (flags[position + 1])
            position++;
        for (uint64_t i = 1; i < 2000; i++) {
            CHECK(gw_settled_has(&s, i) == flags[i]);
            above += flags[i] && i > position;
            both += flags[i] && other[i] && i > base;
        }
        CHECK(s.position == position && s.above == above);
        CHECK(gw_settled_in_all(sets, 2, base) == both);
        gw_buf_init(&b, 1 << 20, NULL);
        gw_settled_put(&b, &s);
        gw_settled_read(&back, position, gw_buf_str(&b));
        for (uint64_t i = 1; i < 2000; i++)
            CHECK(gw_settled_has(&back, i) == flags[i]);
        CHECK(back.above == above && gw_settled_last(&back) == gw_settled_last(&s));
        gw_buf_free(&b);
        gw_settled_fini(&s);
        gw_settled_fini(&t);
        gw_settled_fini(&back);
    }
}

TEST(test_settled_set_in_order_takes_no_memory)
{
    struct gw_settled_set s;

    gw_settled_init(&s, 7);
    for (uint64_t i = 8; i < 100000; i++)
        CHECK(gw_settled_add(&s, i) == 1);
    CHECK(s.cap == 0 && s.position == 99999);
    for (uint64_t i = 100001; i < 200000; i += 2) { /* pairs the wrong way round */
        CHECK(gw_settled_add(&s, i) && gw_settled_add(&s, i - 1));
        CHECK(s.position == i);
    }
    CHECK(s.cap < 8);
    gw_settled_fini(&s);
}
