/* A log whose last segment was damaged: it opens or says why not, gives every record in order,
 * whole or told as damaged, and goes on. The input: n, then n records (size, flags), then what was
 * done to the file: offset (2 bytes) and a mask each; the last edit cuts the file. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/text.h"
#include "log/log.h"
#include "log/segment.h"
#include "net/loop.h"

#include <assert.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST = 64, SALT = 42 };
static char dir[64], segment[100];

/* In memory if there is such a place: syncs would be all that is measured. */
static void choose_dir(void)
{
    if (!dir[0])
        (void)snprintf(dir, sizeof(dir), "%s/segment-fuzz.%ld",
                       access("/dev/shm", W_OK) ? "." : "/dev/shm", (long)getpid());
}

static struct gw_str record(struct gw_arena *mem, uint64_t number, size_t size)
{
    struct gw_record r = {.payload = {gw_arena_zalloc(mem, size + 1), size},
                          .key = gw_arena_printf(mem, "%llu", (unsigned long long)number)};
    struct gw_buf b;

    gw_buf_init(&b, 1 << 20, mem);
    gw_record_put(&b, &r);
    return gw_buf_str(&b);
}

/* Returns the number of records. */
static uint64_t build(struct gw_arena *mem, const uint8_t **in, size_t *left, struct gw_buf *out)
{
    static const char zeros[GW_SEGMENT_DATA];
    uint64_t n = *left ? **in % MOST : 0, group = 1;
    char head[GW_SEGMENT_HEAD], header[GW_HEADER];

    gw_segment_head_put(head, 1, SALT);
    gw_buf_put(out, head, sizeof(head));
    gw_buf_put(out, zeros, GW_SEGMENT_HEAD_COPY - sizeof(head));
    gw_buf_put(out, head, sizeof(head));
    if (*left) {
        (*in)++;
        (*left)--;
    }
    for (uint64_t i = 1; i <= n; i++) {
        unsigned flags = *left > 1 ? (*in)[1] : 3;
        struct gw_str r = record(mem, i, *left > 1 ? (*in)[0] : 5);
        struct gw_header h = {.sequence = i,
                              .group_first = group,
                              .received_at_ns = 1,
                              .len = (uint32_t)r.len,
                              .crc = gw_crc32c(0, r.p, r.len),
                              .ends_append = flags & 1};

        gw_header_put(header, &h, gw_header_seed(SALT));
        gw_buf_put(out, header, sizeof(header));
        gw_buf_put_str(out, r);
        gw_buf_put(out, zeros, gw_record_room(r.len) - GW_HEADER - r.len);
        if (flags & 2)
            group = i + 1;
        if (*left > 1) {
            *in += 2;
            *left -= 2;
        }
    }
    return n;
}

static void damage(const uint8_t *in, size_t left, struct gw_buf *b)
{
    for (; left >= 3; in += 3, left -= 3) {
        size_t at = (size_t)(in[0] | in[1] << 8) % b->len;

        b->p[at] = (char)(b->p[at] ^ in[2]);
    }
    if (left == 2)
        b->len = (size_t)(in[0] | in[1] << 8) % (b->len + 1);
}

static void write_segment(const struct gw_buf *b)
{
    char path[100];
    int fd;
    ssize_t n;

    (void)mkdir(dir, 0700);
    (void)snprintf(path, sizeof(path), "%s/segments", dir);
    (void)mkdir(path, 0700);
    (void)snprintf(segment, sizeof(segment), "%s/segments/%020d", dir, 1);
    fd = open(segment, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert(fd >= 0);
    n = write(fd, b->p, b->len);
    assert(n == (ssize_t)b->len);
    close(fd);
}

static void nothing(struct gw_mail *m)
{
    m->fn = NULL;
}

/* Reads all there is; returns the last sequence. */
static uint64_t read_all(struct gw_log *log, struct gw_loop *loop, uint64_t n)
{
    struct gw_err err;
    struct gw_cursor *c = gw_log_cursor(log, "p", GW_START_RETAINED, NULL, &err);
    struct gw_mail wake = {.fn = nothing};
    struct gw_reader *r = gw_reader_open(c, loop, &wake, NULL, NULL);
    struct gw_arena *mem = gw_arena_new();
    struct gw_cursor_stats stats;
    struct gw_record rec;
    uint64_t last = 0;

    while (gw_reader_next(r, mem, &rec, &err) == 1) {
        char expected[24];

        assert(rec.at.offset == last + 1);
        last = rec.at.offset;
        (void)snprintf(expected, sizeof(expected), "%llu", (unsigned long long)last);
        assert(rec.damaged || last > n || gw_str_is(rec.key, expected));
        gw_arena_reset(mem);
    }
    gw_cursor_stats(c, &stats);
    assert(stats.accepted == last && stats.lag == last);
    gw_reader_close(r);
    gw_arena_free(mem);
    return last;
}

static void append(struct gw_log *log, struct gw_loop *loop, uint64_t number)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_log_entry e = {record(mem, number, 10), 0, 0, 1};
    struct gw_append a = {
        .mail.fn = nothing, .reply = loop, .entries = &e, .n = 1, .reserved = e.bytes.len + 100};
    struct gw_err err;
    int rc = gw_log_reserve(log, a.reserved, &err);

    assert(rc == 0);
    gw_log_append(log, &a);
    while (a.mail.fn)
        gw_loop_turn(loop, 1);
    assert(!a.failed);
    gw_arena_free(mem);
}

static int no_sync(int fd)
{
    (void)fd;
    return 0;
}

static void quiet(const char *text, size_t len)
{
    (void)text;
    (void)len;
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static void clean_up(void)
{
    (void)nftw(dir, drop, 8, FTW_DEPTH | FTW_PHYS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_log_conf conf = {.path = dir, .max_bytes = 1 << 24, .segment_bytes = 1 << 20};
    struct gw_arena *mem = gw_arena_new();
    struct gw_loop *loop = gw_loop_new();
    struct gw_buf b;
    struct gw_log *log;
    struct gw_err err;
    uint64_t n, last;

    choose_dir();
    gw_log_sync = no_sync;
    gw_diag_sink = quiet;
    gw_buf_init(&b, 1 << 20, mem);
    n = build(mem, &data, &size, &b);
    damage(data, size, &b);
    write_segment(&b);
    log = gw_log_open(&conf, NULL, NULL, NULL, &err);
    if (log) {
        last = read_all(log, loop, n);
        append(log, loop, last + 1);
        gw_log_close(log);
        log = gw_log_open(&conf, NULL, NULL, NULL, &err);
        assert(log);
        assert(read_all(log, loop, n) == last + 1);
        gw_log_close(log);
    }
    gw_loop_turn(loop, 0);
    gw_loop_free(loop);
    gw_arena_free(mem);
    clean_up();
    return 0;
}
