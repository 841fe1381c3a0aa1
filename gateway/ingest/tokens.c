#include "ingest/tokens.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>

enum { MAX_NAME = 100, MAX_TOKEN = 4096 };

struct token {
    unsigned char hash[SHA256_DIGEST_LENGTH];
    struct gw_str name;
    size_t line;
};

struct gw_tokens {
    struct gw_arena *mem;
    struct token items[GW_TOKENS_MAX];
    size_t n;
};

static int is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct gw_str trim(struct gw_str s)
{
    while (s.len && is_blank(*s.p)) {
        s.p++;
        s.len--;
    }
    while (s.len && is_blank(s.p[s.len - 1]))
        s.len--;
    return s;
}

static int is_name(struct gw_str s)
{
    if (!s.len || s.len > MAX_NAME || gw_utf8_valid(s) != s.len)
        return 0;
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
            return 0;
    return 1;
}

static int is_token(struct gw_str s)
{
    if (!s.len || s.len > MAX_TOKEN)
        return 0;
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return 0;
    return 1;
}

/* The place of a hash; t->n: none. Looks at all of them, whatever it finds. */
static size_t find(const struct gw_tokens *t, const unsigned char *hash)
{
    size_t at = t->n;

    for (size_t i = 0; i < t->n; i++) {
        const size_t same = (size_t)!CRYPTO_memcmp(t->items[i].hash, hash, SHA256_DIGEST_LENGTH);

        at = (at & (same - 1)) | (i & (0 - same));
    }
    return at;
}

static int add(struct gw_tokens *t, struct gw_str name, struct gw_str token, size_t line,
               struct gw_err *err)
{
    struct token *new = &t->items[t->n];
    size_t same;

    if (!is_name(name))
        return gw_err_set(err, GW_ERR_FATAL,
                          "the name before the colon is not text of 1 to %d bytes", MAX_NAME);
    if (!is_token(token))
        return gw_err_set(err, GW_ERR_FATAL,
                          "the token behind the colon is not 1 to %d visible ASCII characters",
                          MAX_TOKEN);
    if (t->n == GW_TOKENS_MAX)
        return gw_err_set(err, GW_ERR_FATAL, "more than %d tokens", GW_TOKENS_MAX);
    SHA256((const unsigned char *)token.p, token.len, new->hash);
    same = find(t, new->hash);
    if (same < t->n)
        return gw_err_set(err, GW_ERR_FATAL, "the same token as in line %zu", t->items[same].line);
    new->name = gw_arena_str(t->mem, name);
    new->line = line;
    t->n++;
    return 0;
}

static int parse_line(struct gw_tokens *t, struct gw_str s, size_t line, struct gw_err *err)
{
    const char *colon;

    s = trim(s);
    if (!s.len || *s.p == '#')
        return 0;
    colon = memchr(s.p, ':', s.len);
    if (!colon)
        return gw_err_set(err, GW_ERR_FATAL, "a line is NAME:TOKEN, and this one has no colon");
    return add(t, trim((struct gw_str){s.p, (size_t)(colon - s.p)}),
               trim((struct gw_str){colon + 1, (size_t)(s.p + s.len - colon - 1)}), line, err);
}

struct gw_tokens *gw_tokens_parse(struct gw_str text, size_t *line, struct gw_err *err)
{
    static const struct gw_str mark = {"\xef\xbb\xbf", 3};
    struct gw_tokens *t = calloc(1, sizeof(*t));
    const char *at = text.p, *const end = text.p + text.len;

    if (!t)
        abort();
    t->mem = gw_arena_new();
    if (text.len >= mark.len && !memcmp(text.p, mark.p, mark.len))
        at += mark.len;
    for (*line = 1; at < end; ++*line) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;

        if (parse_line(t, (struct gw_str){at, (size_t)(stop - at)}, *line, err)) {
            gw_tokens_free(t);
            return NULL;
        }
        at = stop + 1;
    }
    *line = 0;
    return t;
}

void gw_tokens_free(struct gw_tokens *t)
{
    if (!t)
        return;
    gw_arena_free(t->mem);
    free(t);
}

size_t gw_tokens_count(const struct gw_tokens *t)
{
    return t->n;
}

struct gw_str gw_tokens_find(const struct gw_tokens *t, struct gw_str token)
{
    unsigned char hash[SHA256_DIGEST_LENGTH];
    size_t at;

    SHA256((const unsigned char *)token.p, token.len, hash);
    at = find(t, hash);
    return at < t->n ? t->items[at].name : (struct gw_str){0};
}
