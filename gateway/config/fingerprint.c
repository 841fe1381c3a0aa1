#include "base/buf.h"
#include "base/text.h"
#include "config/config.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* What a pipeline's scripts are made of: the files of `hooks`, and what they require by a name that
 * stands in their text, found as the hooks find it. A file that is not there counts as empty. */

enum { MAX_SCRIPT = 16 << 20, MAX_PATH = 4096, MAX_FILES = 500, MAX_NAME = 200 };

struct print {
    const char *lua_path;
    const char *script; /* modules are looked for beside it */
    uint64_t hash;
    uint64_t seen[MAX_FILES]; /* hashes of paths; more files than that do not count */
    size_t n_seen;
};

static void add_file(struct print *p, const char *path);

static int seen(struct print *p, const char *path)
{
    const uint64_t hash = gw_hash64(gw_str_of(path));

    for (size_t i = 0; i < p->n_seen; i++)
        if (p->seen[i] == hash)
            return 1;
    if (p->n_seen == MAX_FILES)
        return 1;
    p->seen[p->n_seen++] = hash;
    return 0;
}

static void mix(struct print *p, struct gw_str s)
{
    const uint64_t parts[] = {p->hash, gw_hash64(s)};

    p->hash = gw_hash64((struct gw_str){(const char *)parts, sizeof(parts)});
}

static int read_file(const char *path, struct gw_buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;

    if (fd < 0)
        return -1;
    while (n > 0 && !out->failed) {
        char *room = gw_buf_room(out, 64L << 10);

        n = room ? read(fd, room, 64L << 10) : -1;
        if (n > 0)
            gw_buf_added(out, (size_t)n);
    }
    close(fd);
    return n < 0 ? -1 : 0;
}

/* Beside the script, or among the shipped modules. */
static void add_module(struct print *p, struct gw_str name)
{
    const char *slash = strrchr(p->script, '/');
    const int folder = slash ? (int)(slash - p->script) + 1 : 0;
    char file[MAX_NAME + 1], path[MAX_PATH];

    for (size_t i = 0; i < name.len; i++)
        file[i] = (char)(name.p[i] == '.' ? '/' : name.p[i]);
    file[name.len] = '\0';
    if (snprintf(path, sizeof(path), "%.*s%s.lua", folder, p->script, file) >= (int)sizeof(path))
        return;
    if (access(path, R_OK) && p->lua_path &&
        snprintf(path, sizeof(path), "%s/%s.lua", p->lua_path, file) >= (int)sizeof(path))
        return;
    add_file(p, path);
}

static int in_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

/* The name in `require "a.b"`, `require('a.b')`; absent: this is none. */
static struct gw_str required_name(struct gw_str after)
{
    size_t i = 0, from;
    char quote;

    while (i < after.len && strchr(" \t\r\n(", after.p[i]))
        i++;
    if (i == after.len || (after.p[i] != '"' && after.p[i] != '\''))
        return (struct gw_str){0};
    quote = after.p[i++];
    from = i;
    while (i < after.len && in_name(after.p[i]))
        i++;
    if (i == after.len || after.p[i] != quote || i == from || i - from > MAX_NAME)
        return (struct gw_str){0};
    return (struct gw_str){after.p + from, i - from};
}

static void add_file(struct print *p, const char *path)
{
    static const char word[] = "require";
    enum { WORD = sizeof(word) - 1 };
    struct gw_buf b;
    const char *at, *end;

    if (seen(p, path))
        return;
    gw_buf_init(&b, MAX_SCRIPT, NULL);
    if (read_file(path, &b))
        gw_buf_clear(&b);
    mix(p, gw_str_of(path));
    mix(p, gw_buf_str(&b));
    at = b.len ? b.p : NULL;
    end = b.len ? b.p + b.len : NULL;
    while (at && (at = memmem(at, (size_t)(end - at), word, WORD))) {
        struct gw_str name;

        at += WORD;
        name = required_name((struct gw_str){at, (size_t)(end - at)});
        if (name.p && !gw_str_is(name, "moongate"))
            add_module(p, name);
    }
    gw_buf_free(&b);
}

uint64_t gw_config_fingerprint(const struct gw_pipeline_conf *conf)
{
    struct print p = {.lua_path = conf->lua_path};

    for (size_t i = 0; i < conf->hooks.n; i++) {
        p.script = conf->hooks.items[i];
        add_file(&p, p.script);
    }
    return p.hash;
}
