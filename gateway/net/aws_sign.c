/* AWS Signature Version 4: the request in its canonical form, what is signed of it, the key of a
 * day, region and service, and the signature. */
#include "net/aws_sign.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/header.h"
#include "base/text.h"
#include "net/sha256.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HASH = 32, DATE = 17, DAY = 8 };
static const char algorithm[] = "AWS4-HMAC-SHA256";

struct pair {
    struct gw_str name, value;
    size_t at; /* where it stood: who has one name stays in order */
};

struct pairs {
    struct pair *items;
    size_t n;
};

/* What all steps share. */
struct signing {
    struct gw_arena *mem;
    const struct gw_aws_request *r;
    const struct gw_aws_scope *scope;
    const struct gw_aws_keys *keys;
    struct gw_str date, day, credential_scope, signed_headers, body_hash;
    struct pairs headers, query;
};

/* ---- hashes ---- */

static struct gw_str hex(struct gw_arena *mem, const unsigned char *bytes)
{
    struct gw_buf b;

    gw_buf_init(&b, SIZE_MAX / 2, mem);
    gw_hex_put(&b, (struct gw_str){(const char *)bytes, HASH});
    return gw_buf_str(&b);
}

static void hmac(const void *key, size_t len, struct gw_str text, unsigned char out[HASH])
{
    unsigned n = HASH;

    if (!HMAC(EVP_sha256(), key, (int)len, (const unsigned char *)text.p, text.len, out, &n))
        abort();
}

/* ---- texts ---- */

/* 1: it stands for itself. */
static const unsigned char plain[256] = {
    ['-'] = 1, ['.'] = 1, ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1,
    ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1, ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1,
    ['E'] = 1, ['F'] = 1, ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1, ['L'] = 1,
    ['M'] = 1, ['N'] = 1, ['O'] = 1, ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1,
    ['U'] = 1, ['V'] = 1, ['W'] = 1, ['X'] = 1, ['Y'] = 1, ['Z'] = 1, ['_'] = 1, ['a'] = 1,
    ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1,
    ['j'] = 1, ['k'] = 1, ['l'] = 1, ['m'] = 1, ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1,
    ['r'] = 1, ['s'] = 1, ['t'] = 1, ['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1,
    ['z'] = 1, ['~'] = 1};

/* A piece at a time, so that room is asked for once for many bytes. */
static void encode(struct gw_buf *out, struct gw_str text, char also)
{
    static const char digits[] = "0123456789ABCDEF";
    enum { PIECE = 256, WORST = 3 };

    for (size_t i = 0; i < text.len;) {
        const size_t end = text.len - i < PIECE ? text.len : i + PIECE;
        char *const room = gw_buf_room(out, WORST * (end - i)), *p = room;

        if (!room)
            return;
        for (; i < end; i++) {
            const unsigned char c = (unsigned char)text.p[i];

            if (plain[c] || (also && c == (unsigned char)also)) {
                *p++ = (char)c;
            } else {
                *p++ = '%';
                *p++ = digits[c >> 4];
                *p++ = digits[c & 15];
            }
        }
        gw_buf_added(out, (size_t)(p - room));
    }
}

void gw_aws_encode(struct gw_buf *out, struct gw_str text)
{
    encode(out, text, 0);
}

static struct gw_str encoded(struct gw_arena *mem, struct gw_str text)
{
    struct gw_buf b;

    gw_buf_init(&b, SIZE_MAX / 2, mem);
    encode(&b, text, 0);
    return gw_buf_str(&b);
}

/* A part of a query in its one spelling, whichever bytes of it came encoded. */
static struct gw_str respelled(struct gw_arena *mem, struct gw_str text)
{
    char *p = gw_arena_alloc(mem, text.len + 1);
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++) {
        const int byte = gw_percent_byte(text, i);

        p[n++] = (char)(byte >= 0 ? byte : (unsigned char)text.p[i]);
        i += byte >= 0 ? 2 : 0;
    }
    return encoded(mem, (struct gw_str){p, n});
}

static int by_name(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    const size_t len = x->name.len < y->name.len ? x->name.len : y->name.len;
    const int order = len ? memcmp(x->name.p, y->name.p, len) : 0;

    if (order || x->name.len != y->name.len)
        return order ? order : (x->name.len < y->name.len ? -1 : 1);
    return x->at < y->at ? -1 : x->at > y->at;
}

static int by_name_and_value(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    struct pair v = {x->value, x->value, 0}, w = {y->value, y->value, 0};

    if (!gw_str_eq(x->name, y->name))
        return by_name(a, b);
    return by_name(&v, &w);
}

/* ---- the path ---- */

/* Without its last segment; the first slash stays. */
static void up(struct gw_buf *out)
{
    while (out->len > 1 && out->p[out->len - 1] == '/')
        out->len--;
    while (out->len > 1 && out->p[out->len - 1] != '/')
        out->len--;
}

/* One segment with the slash behind it, or what comes instead. */
static void put_segment(struct gw_buf *out, struct gw_str segment, int last)
{
    if (!segment.len || gw_str_is(segment, "."))
        return;
    if (gw_str_is(segment, "..")) {
        up(out);
        return;
    }
    encode(out, segment, 0);
    if (!last)
        gw_buf_putc(out, '/');
}

static struct gw_str canonical_path(const struct signing *s)
{
    struct gw_str path = s->r->path;
    struct gw_buf out;

    gw_buf_init(&out, SIZE_MAX / 2, s->mem);
    if (s->r->raw_path && path.len) {
        encode(&out, path, '/');
        return gw_buf_str(&out);
    }
    gw_buf_putc(&out, '/');
    for (size_t i = path.len && path.p[0] == '/'; i < path.len;) {
        const char *slash = memchr(path.p + i, '/', path.len - i);
        const size_t end = slash ? (size_t)(slash - path.p) : path.len;

        put_segment(&out, (struct gw_str){path.p + i, end - i}, !slash);
        i = end + 1;
    }
    return gw_buf_str(&out);
}

/* ---- the query ---- */

static void add_query(struct signing *s, struct gw_str name, struct gw_str value)
{
    s->query.items[s->query.n] = (struct pair){name, value, s->query.n};
    s->query.n++;
}

static void split_query(struct signing *s)
{
    struct gw_str left = s->r->query;

    while (left.len) {
        const char *and = memchr(left.p, '&', left.len);
        const size_t len = and? (size_t)(and-left.p) : left.len;
        const char *equals = memchr(left.p, '=', len);
        const size_t name = equals ? (size_t)(equals - left.p) : len;
        const size_t value = equals ? name + 1 : len;

        if (len)
            add_query(s, respelled(s->mem, (struct gw_str){left.p, name}),
                      respelled(s->mem, (struct gw_str){left.p + value, len - value}));
        left.p += and? len + 1 : len;
        left.len -= and? len + 1 : len;
    }
}

/* The signature's own parameters, but for itself; the token only where it is signed. */
static void add_parameters(struct signing *s)
{
    const struct gw_str credential =
        gw_arena_printf(s->mem, "%.*s/%.*s", (int)s->keys->id.len, s->keys->id.p,
                        (int)s->credential_scope.len, s->credential_scope.p);

    add_query(s, GW_STR("X-Amz-Algorithm"), gw_str_of(algorithm));
    add_query(s, GW_STR("X-Amz-Credential"), encoded(s->mem, credential));
    add_query(s, GW_STR("X-Amz-Date"), s->date);
    add_query(s, GW_STR("X-Amz-SignedHeaders"), encoded(s->mem, s->signed_headers));
    add_query(s, GW_STR("X-Amz-Expires"),
              gw_arena_printf(s->mem, "%lld", (long long)s->r->expires_s));
    if (s->keys->token.p && !s->r->unsigned_token)
        add_query(s, GW_STR("X-Amz-Security-Token"), encoded(s->mem, s->keys->token));
}

static void read_query(struct signing *s)
{
    size_t n = 8;

    for (size_t i = 0; i < s->r->query.len; i++)
        n += s->r->query.p[i] == '&';
    s->query.items = gw_arena_alloc(s->mem, n * sizeof(struct pair));
    split_query(s);
    if (s->r->expires_s)
        add_parameters(s);
}

static struct gw_str written(const struct signing *s)
{
    struct gw_buf out;

    gw_buf_init(&out, SIZE_MAX / 2, s->mem);
    for (size_t i = 0; i < s->query.n; i++) {
        if (i)
            gw_buf_putc(&out, '&');
        gw_buf_put_str(&out, s->query.items[i].name);
        gw_buf_putc(&out, '=');
        gw_buf_put_str(&out, s->query.items[i].value);
    }
    return gw_buf_str(&out);
}

/* ---- the headers ---- */

static struct gw_str lower(struct gw_arena *mem, struct gw_str text)
{
    char *p = gw_arena_alloc(mem, text.len + 1);

    for (size_t i = 0; i < text.len; i++)
        p[i] = (char)tolower((unsigned char)text.p[i]);
    return (struct gw_str){p, text.len};
}

/* Without white space around it, and with one space for each run of it inside. */
static struct gw_str squeezed(struct gw_arena *mem, struct gw_str text)
{
    char *p = gw_arena_alloc(mem, text.len + 1);
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++) {
        const int space = strchr(" \t\r\n", text.p[i]) && text.p[i];

        if (!space)
            p[n++] = text.p[i];
        else if (n && p[n - 1] != ' ')
            p[n++] = ' ';
    }
    return (struct gw_str){p, n && p[n - 1] == ' ' ? n - 1 : n};
}

static void add_header(struct signing *s, struct gw_str name, struct gw_str value)
{
    s->headers.items[s->headers.n] =
        (struct pair){lower(s->mem, name), squeezed(s->mem, value), s->headers.n};
    s->headers.n++;
}

static void read_headers(struct signing *s)
{
    const struct gw_aws_request *r = s->r;

    s->headers.items = gw_arena_alloc(s->mem, (r->n_headers + 3) * sizeof(struct pair));
    for (size_t i = 0; i < r->n_headers; i++)
        add_header(s, r->headers[i].name, r->headers[i].value);
    if (!r->expires_s) {
        add_header(s, GW_STR("x-amz-date"), s->date);
        if (r->hash_header)
            add_header(s, GW_STR("x-amz-content-sha256"), s->body_hash);
        if (s->keys->token.p && !r->unsigned_token)
            add_header(s, GW_STR("x-amz-security-token"), s->keys->token);
    }
    qsort(s->headers.items, s->headers.n, sizeof(struct pair), by_name);
}

static int same_as_before(const struct pairs *p, size_t i)
{
    return i && gw_str_eq(p->items[i].name, p->items[i - 1].name);
}

static void name_headers(struct signing *s)
{
    struct gw_buf out;

    gw_buf_init(&out, SIZE_MAX / 2, s->mem);
    for (size_t i = 0; i < s->headers.n; i++) {
        if (same_as_before(&s->headers, i))
            continue;
        if (i)
            gw_buf_putc(&out, ';');
        gw_buf_put_str(&out, s->headers.items[i].name);
    }
    s->signed_headers = gw_buf_str(&out);
}

static void put_headers(const struct signing *s, struct gw_buf *out)
{
    for (size_t i = 0; i < s->headers.n; i++) {
        if (same_as_before(&s->headers, i)) {
            gw_buf_putc(out, ',');
        } else {
            if (i)
                gw_buf_putc(out, '\n');
            gw_buf_put_str(out, s->headers.items[i].name);
            gw_buf_putc(out, ':');
        }
        gw_buf_put_str(out, s->headers.items[i].value);
    }
    gw_buf_putc(out, '\n');
}

/* ---- all of it ---- */

static void set_date(struct signing *s)
{
    char *p = gw_arena_alloc(s->mem, DATE);
    const time_t now = (time_t)s->scope->now;
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(p, DATE, "%Y%m%dT%H%M%SZ", &tm);
    s->date = (struct gw_str){p, DATE - 1};
    s->day = (struct gw_str){p, DAY};
    s->credential_scope =
        gw_arena_printf(s->mem, "%.*s/%.*s/%.*s/aws4_request", DAY, p, (int)s->scope->region.len,
                        s->scope->region.p, (int)s->scope->service.len, s->scope->service.p);
}

static struct gw_str canonical_request(struct signing *s)
{
    struct gw_buf out;

    qsort(s->query.items, s->query.n, sizeof(struct pair), by_name_and_value);
    gw_buf_init(&out, SIZE_MAX / 2, s->mem);
    gw_buf_put_str(&out, s->r->method);
    gw_buf_putc(&out, '\n');
    gw_buf_put_str(&out, canonical_path(s));
    gw_buf_putc(&out, '\n');
    gw_buf_put_str(&out, written(s));
    gw_buf_putc(&out, '\n');
    put_headers(s, &out);
    gw_buf_putc(&out, '\n');
    gw_buf_put_str(&out, s->signed_headers);
    gw_buf_putc(&out, '\n');
    gw_buf_put_str(&out, s->body_hash);
    return gw_buf_str(&out);
}

static struct gw_str sign(const struct signing *s, struct gw_str to_sign)
{
    const struct gw_str secret =
        gw_arena_printf(s->mem, "AWS4%.*s", (int)s->keys->secret.len, s->keys->secret.p);
    unsigned char key[HASH], sum[HASH];

    hmac(secret.p, secret.len, s->day, key);
    hmac(key, HASH, s->scope->region, sum);
    hmac(sum, HASH, s->scope->service, key);
    hmac(key, HASH, GW_STR("aws4_request"), sum);
    hmac(sum, HASH, to_sign, key);
    return hex(s->mem, key);
}

static struct gw_str authorization(const struct signing *s, struct gw_str signature)
{
    return gw_arena_printf(
        s->mem, "%s Credential=%.*s/%.*s, SignedHeaders=%.*s, Signature=%.*s", algorithm,
        (int)s->keys->id.len, s->keys->id.p, (int)s->credential_scope.len, s->credential_scope.p,
        (int)s->signed_headers.len, s->signed_headers.p, (int)signature.len, signature.p);
}

void gw_aws_sign(struct gw_arena *mem, const struct gw_aws_request *r,
                 const struct gw_aws_scope *scope, const struct gw_aws_keys *keys,
                 struct gw_aws_signature *out)
{
    struct signing s = {.mem = mem, .r = r, .scope = scope, .keys = keys};

    set_date(&s);
    s.body_hash = gw_sha256_hex(mem, r->body);
    read_headers(&s);
    name_headers(&s);
    read_query(&s);
    *out = (struct gw_aws_signature){.date = s.date, .body_hash = s.body_hash, .query = r->query};
    out->canonical = canonical_request(&s);
    out->to_sign = gw_arena_printf(mem, "%s\n%.*s\n%.*s\n%.*s", algorithm, (int)s.date.len,
                                   s.date.p, (int)s.credential_scope.len, s.credential_scope.p,
                                   2 * HASH, gw_sha256_hex(mem, out->canonical).p);
    out->signature = sign(&s, out->to_sign);
    if (!r->expires_s) {
        out->authorization = authorization(&s, out->signature);
        return;
    }
    if (keys->token.p && r->unsigned_token)
        add_query(&s, GW_STR("X-Amz-Security-Token"), encoded(mem, keys->token));
    add_query(&s, GW_STR("X-Amz-Signature"), out->signature);
    out->query = written(&s);
}
