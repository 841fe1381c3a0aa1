#include "net/aws_answer.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/text.h"
#include "net/fetch.h"

#include <stdlib.h>
#include <string.h>

enum { JSON_DEPTH = 32 };

/* ---- XML, as far as these answers go: no CDATA, no element within one of its own name ---- */

static int ends_name(char c)
{
    return c == '>' || c == '/' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int is_name(const char *tag, const char *last, const char *name, size_t len)
{
    return (size_t)(last - tag) >= len && !memcmp(tag, name, len) && ends_name(tag[len]);
}

/* A tag of that name from `at` on; close: its closing one. Gives where it begins, *behind what is
 * behind its `>`; NULL: none. */
static const char *find_tag(const char *at, const char *end, const char *name, int close,
                            const char **behind)
{
    const size_t len = strlen(name);

    while ((at = memchr(at, '<', (size_t)(end - at)))) {
        const char *tag = at + 1, *last = memchr(at, '>', (size_t)(end - at)), *colon;

        if (!last)
            return NULL;
        if ((*tag == '/') == close && *tag != '?' && *tag != '!') {
            tag += close;
            *behind = last + 1;
            if (is_name(tag, last, name, len))
                return at;
            colon = memchr(tag, ':', (size_t)(last - tag));
            if (colon && !memchr(tag, ' ', (size_t)(colon - tag)) &&
                is_name(colon + 1, last, name, len))
                return at;
        }
        at = last + 1;
    }
    return NULL;
}

int gw_aws_xml_next(struct gw_str *left, const char *name, struct gw_str *inner)
{
    const char *end = left->p + left->len, *in, *behind, *close;

    if (!left->len || !find_tag(left->p, end, name, 0, &in))
        return 0;
    if (in[-2] == '/') {
        *inner = GW_STR("");
        behind = in;
    } else {
        if (!(close = find_tag(in, end, name, 1, &behind)))
            return 0;
        *inner = (struct gw_str){in, (size_t)(close - in)};
    }
    *left = (struct gw_str){behind, (size_t)(end - behind)};
    return 1;
}

/* One character for an entity at p, at most max bytes; its length, 0: it is none. */
static size_t put_entity(struct gw_buf *out, const char *p, size_t max)
{
    static const struct {
        const char *name;
        char is;
    } named[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    const char *end = memchr(p, ';', max < 12 ? max : 12);
    const size_t len = end ? (size_t)(end - p) + 1 : 0;
    unsigned long code;

    for (size_t i = 0; len && i < sizeof(named) / sizeof(named[0]); i++) {
        if (len == strlen(named[i].name) && !memcmp(p, named[i].name, len)) {
            gw_buf_putc(out, named[i].is);
            return len;
        }
    }
    if (len < 4 || p[1] != '#')
        return 0;
    code = p[2] == 'x' ? strtoul(p + 3, NULL, 16) : strtoul(p + 2, NULL, 10);
    if (!code || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return 0;
    gw_utf8_put(out, (uint32_t)code);
    return len;
}

struct gw_str gw_aws_xml_text(struct gw_arena *mem, struct gw_str xml, const char *name)
{
    struct gw_str inner;
    struct gw_buf out;

    if (!gw_aws_xml_next(&xml, name, &inner))
        return (struct gw_str){0};
    gw_buf_init(&out, SIZE_MAX / 2, mem);
    for (size_t i = 0, n; i < inner.len; i += n) {
        n = inner.p[i] == '&' ? put_entity(&out, inner.p + i, inner.len - i) : 0;
        if (!n) {
            gw_buf_putc(&out, inner.p[i]);
            n = 1;
        }
    }
    return gw_buf_str(&out);
}

/* ---- JSON ---- */

struct gw_str gw_aws_json_text(struct gw_arena *mem, struct gw_str json, const char *name)
{
    struct gw_str found = {0}, skipped;
    struct gw_json j;

    gw_json_init(&j, json, JSON_DEPTH);
    if (gw_json_next(&j) != GW_JSON_OBJECT)
        return found;
    while (gw_json_next(&j) == GW_JSON_KEY) {
        if (!gw_json_is(&j, name)) {
            if (gw_json_value(&j, &skipped))
                break;
        } else if (gw_json_next(&j) == GW_JSON_STRING) {
            found = gw_arena_str(mem, gw_json_string(&j, mem));
        } else {
            break;
        }
    }
    return j.token == GW_JSON_OBJECT_END ? found : (struct gw_str){0};
}

/* ---- errors ---- */

static struct gw_str bare(struct gw_str code)
{
    const char *mark = code.len ? memchr(code.p, '#', code.len) : NULL;

    if (mark)
        code = (struct gw_str){mark + 1, code.len - (size_t)(mark - code.p) - 1};
    mark = code.len ? memchr(code.p, ';', code.len) : NULL;
    if (mark)
        code.len = (size_t)(mark - code.p);
    return code;
}

void gw_aws_error_read(struct gw_arena *mem, const struct gw_fetch *f, struct gw_aws_error *out)
{
    const struct gw_str body = gw_buf_str(&f->answer);
    const struct gw_str old = gw_fetch_answer_header(f, "x-amzn-query-error");

    *out = (struct gw_aws_error){.status = f->status};
    out->code = gw_aws_xml_text(mem, body, "Code");
    out->message = gw_aws_xml_text(mem, body, "Message");
    if (!out->code.p) {
        out->code = gw_aws_json_text(mem, body, "__type");
        if (!out->code.p)
            out->code = gw_aws_json_text(mem, body, "code");
        out->message = gw_aws_json_text(mem, body, "message");
        if (!out->message.p)
            out->message = gw_aws_json_text(mem, body, "Message");
    }
    /* The query protocol's name for it is the one that has been there longest. */
    if (old.len)
        out->code = gw_arena_str(mem, old);
    out->code = bare(out->code);
    if (!out->code.len)
        out->code.p = NULL;
}

/* Behind it, a signature that is not right has the whole request, session token included. */
static struct gw_str first_line(struct gw_str s)
{
    const char *end = s.len ? memchr(s.p, '\n', s.len) : NULL;

    return end ? (struct gw_str){s.p, (size_t)(end - s.p)} : s;
}

void gw_aws_error_text(const struct gw_aws_error *e, const struct gw_fetch *f, const char *of,
                       struct gw_buf *out)
{
    gw_buf_clear(out);
    gw_buf_printf(out, "%s: ", of);
    if (!f->status) {
        gw_text_put_line(out, gw_str_of(f->why), 300);
    } else if (e->code.p) {
        gw_text_put_line(out, e->code, 80);
        if (e->message.len)
            gw_buf_puts(out, ": ");
        gw_text_put_line(out, first_line(e->message), 200);
        gw_buf_printf(out, " (HTTP %d)", e->status);
    } else {
        gw_buf_printf(out, "HTTP %d", e->status);
    }
    gw_buf_putc(out, '\0');
}

/* ---- what to do ---- */

enum gw_aws_trouble gw_aws_trouble_of(struct gw_str code)
{
    static const struct {
        const char *code;
        enum gw_aws_trouble is;
    } all[] = {{"InvalidClientTokenId", GW_AWS_KEY_UNKNOWN},
               {"UnrecognizedClientException", GW_AWS_KEY_UNKNOWN},
               {"InvalidAccessKeyId", GW_AWS_KEY_UNKNOWN},
               {"SignatureDoesNotMatch", GW_AWS_KEY_WRONG},
               {"InvalidSignatureException", GW_AWS_KEY_WRONG},
               {"ExpiredToken", GW_AWS_KEY_OVER},
               {"ExpiredTokenException", GW_AWS_KEY_OVER},
               {"RequestExpired", GW_AWS_CLOCK},
               {"RequestTimeTooSkewed", GW_AWS_CLOCK},
               {"RequestInTheFuture", GW_AWS_CLOCK},
               {"NotFound", GW_AWS_MISSING},
               {"AWS.SimpleQueueService.NonExistentQueue", GW_AWS_MISSING},
               {"QueueDoesNotExist", GW_AWS_MISSING},
               {"NonExistentQueue", GW_AWS_MISSING},
               {"AccessDenied", GW_AWS_DENIED},
               {"AccessDeniedException", GW_AWS_DENIED},
               {"AuthorizationError", GW_AWS_DENIED},
               {"AuthorizationErrorException", GW_AWS_DENIED},
               {"KMSAccessDenied", GW_AWS_KMS},
               {"KMSDisabled", GW_AWS_KMS},
               {"KMSNotFound", GW_AWS_KMS},
               {"KMSInvalidState", GW_AWS_KMS},
               {"KmsAccessDenied", GW_AWS_KMS},
               {"KmsDisabled", GW_AWS_KMS},
               {"KmsNotFound", GW_AWS_KMS},
               {"KmsInvalidState", GW_AWS_KMS}};

    for (size_t i = 0; code.len && i < sizeof(all) / sizeof(all[0]);
         i++) /* of what went well none */
        if (gw_str_is(code, all[i].code))
            return all[i].is;
    return GW_AWS_NO_TROUBLE;
}

const char *gw_aws_todo(struct gw_str code)
{
    static const char *const todo[] = {
        [GW_AWS_KEY_UNKNOWN] = "is the access key id right, and its session token beside it?",
        [GW_AWS_KEY_WRONG] = "is the secret key the access key id's, and our clock right?",
        [GW_AWS_KEY_OVER] = "the session has ended: are there newer keys?",
        [GW_AWS_CLOCK] = "is our clock right?",
        [GW_AWS_MISSING] = "is it made, in this region and account?",
        [GW_AWS_DENIED] = "does a policy allow it?",
        [GW_AWS_KMS] = "does the policy of the key that encrypts it allow it?"};

    return todo[gw_aws_trouble_of(code)];
}
