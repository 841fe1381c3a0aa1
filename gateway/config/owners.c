#include "config/owners.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_PATH = 4096, MAX_OWNERS = 1 << 20 };

static int place(const struct gw_log_conf *log, const char *suffix, char out[MAX_PATH])
{
    const int n = log->type == GW_LOG_EMBEDDED && log->path
                      ? snprintf(out, MAX_PATH, "%s/owners%s", log->path, suffix)
                      : -1;

    return n > 0 && n < MAX_PATH ? 0 : -1;
}

/* ---- reading ---- */

static void read_line(struct gw_arena *mem, struct gw_pairs *out, struct gw_str line)
{
    const char *space = line.len ? memchr(line.p, ' ', line.len) : NULL;
    const size_t name = space ? (size_t)(space - line.p) : 0;

    if (!name || name + 1 == line.len)
        return;
    out->items[out->n++] =
        (struct gw_pair){gw_arena_strndup(mem, line.p, name),
                         gw_arena_strndup(mem, line.p + name + 1, line.len - name - 1)};
}

struct gw_pairs gw_owners_read(const struct gw_log_conf *log, struct gw_arena *mem)
{
    struct gw_pairs out = {0};
    struct gw_str text;
    char path[MAX_PATH], why[100];
    size_t lines = 1;

    if (place(log, "", path) || gw_yaml_guest_text(path, mem, &text, why, sizeof(why)))
        return out;
    for (size_t i = 0; i < text.len; i++)
        lines += text.p[i] == '\n';
    out.items = gw_arena_alloc(mem, lines * sizeof(*out.items));
    while (text.len) {
        const char *end = memchr(text.p, '\n', text.len);
        const size_t len = end ? (size_t)(end - text.p) : text.len;

        read_line(mem, &out, (struct gw_str){text.p, len});
        text.p += len + (end != NULL);
        text.len -= len + (end != NULL);
    }
    return out;
}

const char *gw_owner_of(const struct gw_pairs *owners, const char *name)
{
    for (size_t i = 0; name && i < owners->n; i++)
        if (!strcmp(owners->items[i].key, name))
            return owners->items[i].value;
    return NULL;
}

const char *gw_owner_path(const char *main_file, const char *path)
{
    const char *slash = main_file ? strrchr(main_file, '/') : NULL;
    const size_t len = slash ? (size_t)(slash - main_file) + 1 : 0;

    return strncmp(path, main_file ? main_file : "", len) != 0 ? path : path + len;
}

/* ---- writing ---- */

static int is_broken(const struct gw_config *c, const char *owner)
{
    for (size_t i = 0; i < c->broken.n; i++)
        if (!strcmp(gw_owner_path(c->file, c->broken.items[i]), owner))
            return 1;
    return 0;
}

/* What runs, and what a file had that is broken now. */
static void put_owners(const struct gw_config *c, const struct gw_pairs *before, struct gw_buf *b)
{
    const struct gw_pipeline_conf *all = c->pipelines.items;

    for (size_t i = 0; i < c->pipelines.n; i++)
        if (!all[i].down && all[i].yaml->file != c->file)
            gw_buf_printf(b, "%s %s\n", all[i].name, gw_owner_path(c->file, all[i].yaml->file));
    for (size_t i = 0; i < before->n; i++)
        if (is_broken(c, before->items[i].value))
            gw_buf_printf(b, "%s %s\n", before->items[i].key, before->items[i].value);
}

/* Not synced: after a power cut the order of the files decides, as at a first start. */
static int write_file(const char *path, struct gw_str text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), e = 0;

    if (fd < 0)
        return -1;
    while (text.len && !e) {
        ssize_t n = write(fd, text.p, text.len);

        if (n < 0 && errno != EINTR)
            e = errno;
        text.p += n > 0 ? n : 0;
        text.len -= n > 0 ? (size_t)n : 0;
    }
    close(fd);
    errno = e;
    return e ? -1 : 0;
}

void gw_config_note_owners(const struct gw_config *c)
{
    struct gw_arena *mem = gw_arena_new();
    const struct gw_pairs before = gw_owners_read(&c->log, mem);
    char path[MAX_PATH], aside[MAX_PATH], why[100];
    struct gw_buf b;

    gw_buf_init(&b, MAX_OWNERS, mem);
    put_owners(c, &before, &b);
    if ((b.len || before.n) && !b.failed && !place(&c->log, "", path) &&
        !place(&c->log, ".new", aside) &&
        (write_file(aside, gw_buf_str(&b)) || rename(aside, path)))
        GW_DIAG(GW_WARN, "config", gw_msg("cannot be written"), gw_kv_cstr("file", path),
                gw_kv_cstr("error", strerror_r(errno, why, sizeof(why))));
    gw_arena_free(mem);
}
