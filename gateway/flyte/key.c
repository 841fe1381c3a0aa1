/* Keys and ids: parts joined by ':'. What would make a joined text ambiguous or illegal as an
 * attribute is percent-encoded in the parts: ':', '%', control characters and (the specification's
 * String has none) Unicode's noncharacters. */
#include "base/arena.h"
#include "base/text.h"
#include "event/event.h"
#include "flyte/flyte.h"
#include "flyte/kinds.h"

#include <stdint.h>
#include <string.h>

static int must_encode(uint32_t c)
{
    return c == ':' || c == '%' || c < 0x20 || (c >= 0x7f && c <= 0x9f) ||
           (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe;
}

/* The first byte of what must be encoded, or may be: C1 controls begin with C2, noncharacters with
 * EF and above. Other bytes stay. */
static inline int suspect(char byte)
{
    unsigned char c = (unsigned char)byte;

    return c < 0x20 || c == ':' || c == '%' || c == 0x7f || c == 0xc2 || c >= 0xef;
}

/* Length of the character at s if it stays as it is, else 0. */
static size_t plain_step(const char *s, size_t left)
{
    size_t n;

    if (!suspect(*s))
        return 1;
    n = gw_utf8_step(s, left);
    return n && !must_encode(gw_utf8_get(s, &n)) ? n : 0;
}

static struct gw_str encoded(struct gw_arena *mem, struct gw_str s, size_t at)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = gw_arena_alloc(mem, 3 * s.len), *end = out + at;

    memcpy(out, s.p, at);
    while (at < s.len) {
        size_t n = plain_step(s.p + at, s.len - at);

        if (n) {
            memcpy(end, s.p + at, n);
            end += n;
            at += n;
            continue;
        }
        n = gw_utf8_step(s.p + at, s.len - at);
        for (size_t last = at + (n ? n : 1); at < last; at++) {
            *end++ = '%';
            *end++ = hex[(unsigned char)s.p[at] >> 4];
            *end++ = hex[s.p[at] & 15];
        }
    }
    return (struct gw_str){out, (size_t)(end - out)};
}

static struct gw_str encode(struct gw_arena *mem, struct gw_str s)
{
    size_t at = 0, n;

    for (;;) {
        while (at < s.len && !suspect(s.p[at]))
            at++;
        if (at == s.len)
            return s;
        n = plain_step(s.p + at, s.len - at);
        if (!n)
            return encoded(mem, s, at);
        at += n;
    }
}

static struct gw_str join(struct gw_arena *mem, struct gw_str *parts, size_t n)
{
    size_t len = n - 1;
    char *out, *end;

    for (size_t i = 0; i < n; i++) {
        parts[i] = encode(mem, parts[i]);
        len += parts[i].len;
    }
    out = end = gw_arena_alloc(mem, len + 1);
    for (size_t i = 0; i < n; i++) {
        if (i)
            *end++ = ':';
        if (parts[i].len)
            memcpy(end, parts[i].p, parts[i].len);
        end += parts[i].len;
    }
    return (struct gw_str){out, len};
}

struct gw_str gw_flyte_key(struct gw_arena *mem, const struct gw_flyte_request *r)
{
    struct gw_flyte_names n;

    gw_flyte_names(r, &n);
    return join(mem, (struct gw_str[]){n.project, n.domain, n.execution}, 3);
}

enum { DECIMAL_MAX = 10 };

/* In out, which must live until the text is joined. */
static struct gw_str decimal(uint32_t v, char out[DECIMAL_MAX])
{
    char *p = out + DECIMAL_MAX;

    do
        *--p = (char)('0' + v % 10);
    while (v /= 10);
    return (struct gw_str){p, (size_t)(out + DECIMAL_MAX - p)};
}

struct gw_str gw_flyte_id(struct gw_arena *mem, const struct gw_flyte_request *r)
{
    char attempt[DECIMAL_MAX], version[DECIMAL_MAX];
    struct gw_flyte_names n;
    struct gw_str phase;

    gw_flyte_names(r, &n);
    phase = gw_flyte_phase(mem, n.phases, n.phase);
    if (r->kind == GW_WORKFLOW)
        return join(mem, (struct gw_str[]){n.project, n.domain, n.execution, phase}, 4);
    if (r->kind == GW_NODE)
        return join(
            mem, (struct gw_str[]){n.project, n.domain, n.execution, n.node, n.retry_group, phase},
            6);
    if (r->kind == GW_ACTION)
        return join(mem,
                    (struct gw_str[]){n.project, n.domain, n.execution, n.node,
                                      decimal(n.attempt, attempt), phase,
                                      decimal(n.phase_version, version)},
                    7);
    return join(mem,
                (struct gw_str[]){n.project, n.domain, n.execution, n.node, n.task, n.version,
                                  decimal(n.attempt, attempt), phase,
                                  decimal(n.phase_version, version)},
                9);
}

struct gw_str gw_event_key(struct gw_arena *mem, const struct gw_event *ev)
{
    struct gw_str key = gw_event_text(ev, "partitionkey"), subject;
    struct gw_flyte_request r;

    if (key.len)
        return key;
    if (gw_flyte_from_event(ev, &r))
        return gw_flyte_key(mem, &r);
    key = gw_event_text(ev, "source");
    subject = gw_event_text(ev, "subject");
    return subject.p ? join(mem, (struct gw_str[]){key, subject}, 2) : key;
}

struct gw_str gw_flyte_report(struct gw_arena *mem, const struct gw_flyte_request *r)
{
    const struct gw_str id = gw_flyte_id(mem, r);

    return gw_arena_printf(mem, "%s:%.*s", gw_kind_names[r->kind], (int)id.len, id.p);
}

struct gw_str gw_event_report(struct gw_arena *mem, const struct gw_event *ev)
{
    struct gw_flyte_request r;

    if (gw_flyte_from_event(ev, &r))
        return gw_flyte_report(mem, &r);
    return join(mem,
                (struct gw_str[]){gw_str_of(gw_kind_names[GW_OTHER]), gw_event_text(ev, "source"),
                                  gw_event_text(ev, "id")},
                3);
}
