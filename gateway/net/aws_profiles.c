/* Lines of settings: a section, `key = value`, what belongs to a key in indented lines. */
#include "net/aws_profiles.h"

#include "base/arena.h"
#include "base/err.h"

#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_FILE = 1 << 20 };
static const char profile_kind[] = "profile";

struct setting {
    struct setting *next;
    const char *kind, *name, *key, *value; /* key NULL: the section is there */
    int credentials;                       /* of that file */
};

struct gw_aws_profiles {
    struct setting *settings; /* of the credentials file, then of the other */
};

struct reading {
    struct gw_arena *mem;
    struct setting **end; /* where the next one goes */
    const char *path;
    int line, credentials;
    const char *kind, *name; /* of the open section; NULL: one that is passed over */
    const char *key;         /* the last one, for lines that belong to it */
    struct setting *last;
    struct gw_err *err;
};

/* ---- texts ---- */

static struct gw_str trim(struct gw_str s)
{
    while (s.len && isspace((unsigned char)s.p[0]))
        s = (struct gw_str){s.p + 1, s.len - 1};
    while (s.len && isspace((unsigned char)s.p[s.len - 1]))
        s.len--;
    return s;
}

/* Without the comment that white space and a mark begin. */
static struct gw_str uncommented(struct gw_str s)
{
    for (size_t i = 1; i < s.len; i++)
        if ((s.p[i] == '#' || s.p[i] == ';') && isspace((unsigned char)s.p[i - 1]))
            return (struct gw_str){s.p, i};
    return s;
}

static const char *text(struct gw_arena *mem, struct gw_str s)
{
    return gw_arena_strndup(mem, s.p, s.len);
}

static const char *lower(struct gw_arena *mem, struct gw_str s)
{
    char *p = gw_arena_strndup(mem, s.p, s.len);

    for (size_t i = 0; i < s.len; i++)
        p[i] = (char)tolower((unsigned char)p[i]);
    return p;
}

/* ---- lines ---- */

static void add(struct reading *r, const char *key, const char *value)
{
    struct setting *s = gw_arena_alloc(r->mem, sizeof(*s));

    *s = (struct setting){NULL, r->kind, r->name, key, value, r->credentials};
    *r->end = s;
    r->end = &s->next;
    r->last = s;
}

static int refuse(const struct reading *r, const char *why)
{
    return gw_err_set(r->err, GW_ERR_REJECT, "%s:%d: %s", r->path, r->line, why);
}

/* `[name]` of credentials; `[default]`, `[kind name]` of config, where any other section is one of
 * a kind that is not known here. */
static int open_section(struct reading *r, struct gw_str line)
{
    const char *close = memchr(line.p, ']', line.len);
    struct gw_str in;
    size_t kind = 0;

    if (!close)
        return refuse(r, "a section without its ]");
    in = trim((struct gw_str){line.p + 1, (size_t)(close - line.p) - 1});
    r->key = NULL;
    r->kind = profile_kind;
    r->name = NULL;
    if (r->credentials || gw_str_is(in, "default")) {
        r->name = text(r->mem, in);
    } else {
        while (kind < in.len && !isspace((unsigned char)in.p[kind]))
            kind++;
        if (kind == in.len)
            return 0;
        r->kind = text(r->mem, (struct gw_str){in.p, kind});
        r->name = text(r->mem, trim((struct gw_str){in.p + kind, in.len - kind}));
    }
    add(r, NULL, NULL);
    return 0;
}

static int take_setting(struct reading *r, struct gw_str line)
{
    const char *equals = memchr(line.p, '=', line.len);
    struct gw_str key, value;

    if (!r->name)
        return 0;
    if (!equals)
        return refuse(r, "neither a [section], nor key = value, nor a comment");
    key = trim((struct gw_str){line.p, (size_t)(equals - line.p)});
    value = trim(uncommented((struct gw_str){equals, line.len - (size_t)(equals - line.p)}));
    value = trim((struct gw_str){value.p + 1, value.len - 1});
    if (!key.len)
        return refuse(r, "a value without its key");
    r->key = lower(r->mem, key);
    add(r, r->key, text(r->mem, value));
    return 0;
}

/* An indented line: a setting below the key before, if that has no value, or more of its value. */
static int take_below(struct reading *r, struct gw_str line)
{
    const char *equals = memchr(line.p, '=', line.len);

    if (!r->name || !r->key)
        return r->name ? refuse(r, "an indented line that belongs to no key") : 0;
    if (!*r->last->value || r->last->key != r->key) {
        if (!equals)
            return refuse(r, "neither key = value nor a comment");
        add(r,
            gw_arena_printf(r->mem, "%s.%s", r->key,
                            lower(r->mem, trim((struct gw_str){line.p, (size_t)(equals - line.p)})))
                .p,
            text(r->mem,
                 trim((struct gw_str){equals + 1, line.len - (size_t)(equals - line.p) - 1})));
        return 0;
    }
    r->last->value = gw_arena_printf(r->mem, "%s\n%.*s", r->last->value, (int)line.len, line.p).p;
    return 0;
}

static int take_line(struct reading *r, struct gw_str line)
{
    const int indented = line.len && isspace((unsigned char)line.p[0]);
    const struct gw_str in = trim(line);

    if (!in.len || in.p[0] == '#' || in.p[0] == ';')
        return 0;
    if (indented)
        return take_below(r, in);
    return in.p[0] == '[' ? open_section(r, in) : take_setting(r, in);
}

/* ---- files ---- */

static int read_file(struct reading *r, struct gw_str *out)
{
    FILE *f = fopen(r->path, "re");
    char *p;

    if (!f)
        return errno == ENOENT || errno == ENOTDIR
                   ? 1
                   : gw_err_errno(r->err, GW_ERR_RETRY, "%s", r->path);
    p = gw_arena_alloc(r->mem, MAX_FILE + 1);
    *out = (struct gw_str){p, fread(p, 1, MAX_FILE + 1, f)};
    if (ferror(f)) {
        gw_err_errno(r->err, GW_ERR_RETRY, "%s", r->path);
        fclose(f);
        return -1;
    }
    fclose(f);
    return out->len > MAX_FILE
               ? gw_err_set(r->err, GW_ERR_REJECT, "%s: more than %d bytes", r->path, MAX_FILE)
               : 0;
}

static int read_lines(struct reading *r)
{
    struct gw_str left = {0};
    int rc = read_file(r, &left);

    if (rc)
        return rc < 0 ? -1 : 0;
    while (left.len) {
        const char *end = memchr(left.p, '\n', left.len);
        const size_t len = end ? (size_t)(end - left.p) : left.len;

        r->line++;
        if (take_line(r, (struct gw_str){left.p, len}))
            return -1;
        left.p += end ? len + 1 : len;
        left.len -= end ? len + 1 : len;
    }
    return 0;
}

const char *gw_aws_env(const char *name)
{
    const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe): it is never set here */

    return value && *value ? value : NULL;
}

static const char *home(struct gw_arena *mem)
{
    enum { ENTRY = 16384 };
    const char *dir = gw_aws_env("HOME");
    struct passwd entry, *found = NULL;

    if (dir)
        return dir;
    if (getpwuid_r(getuid(), &entry, gw_arena_alloc(mem, ENTRY), ENTRY, &found) || !found)
        return "/";
    return found->pw_dir;
}

static const char *path_of(struct gw_arena *mem, const char *variable, const char *name)
{
    const char *set = gw_aws_env(variable);

    if (!set)
        return gw_arena_printf(mem, "%s/.aws/%s", home(mem), name).p;
    return strncmp(set, "~/", 2) != 0 ? set : gw_arena_printf(mem, "%s/%s", home(mem), set + 2).p;
}

struct gw_aws_profiles *gw_aws_profiles_read(struct gw_arena *mem, struct gw_err *err)
{
    struct gw_aws_profiles *p = gw_arena_zalloc(mem, sizeof(*p));
    struct reading credentials = {.mem = mem, .credentials = 1, .err = err}, config;

    credentials.path = path_of(mem, "AWS_SHARED_CREDENTIALS_FILE", "credentials");
    credentials.end = &p->settings;
    if (read_lines(&credentials))
        return NULL;
    config = (struct reading){.mem = mem, .end = credentials.end, .err = err};
    config.path = path_of(mem, "AWS_CONFIG_FILE", "config");
    return read_lines(&config) ? NULL : p;
}

/* ---- what they say ---- */

const char *gw_aws_profile_name(void)
{
    const char *name = gw_aws_env("AWS_PROFILE");

    if (!name)
        name = gw_aws_env("AWS_DEFAULT_PROFILE");
    return name ? name : "default";
}

const char *gw_aws_section_get(const struct gw_aws_profiles *p, const char *kind, const char *name,
                               const char *key)
{
    const struct setting *found = NULL;

    /* Of one file the last one counts. */
    for (const struct setting *s = p->settings; s; s = s->next)
        if (s->key && !strcmp(s->kind, kind) && !strcmp(s->name, name) && !strcmp(s->key, key) &&
            (!found || found->credentials == s->credentials))
            found = s;
    return found ? found->value : NULL;
}

const char *gw_aws_profile_get(const struct gw_aws_profiles *p, const char *profile,
                               const char *key)
{
    return gw_aws_section_get(p, profile_kind, profile, key);
}

int gw_aws_profile_exists(const struct gw_aws_profiles *p, const char *profile)
{
    for (const struct setting *s = p->settings; s; s = s->next)
        if (!strcmp(s->kind, profile_kind) && !strcmp(s->name, profile))
            return 1;
    return 0;
}
