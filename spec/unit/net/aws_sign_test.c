/* AWS Signature Version 4 against the public test suite, which is used in place. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/time.h"
#include "event/format.h"
#include "net/aws_sign.h"
#include "test.h"

#include <dirent.h>
#include <string.h>
#include <strings.h>

enum { MAX_FILE = 1 << 16, MAX_HEADERS = 16 };

struct vector {
    struct gw_arena *mem;
    struct gw_str folder;
    struct gw_header headers[MAX_HEADERS];
    struct gw_aws_request request;
    struct gw_aws_keys keys;
    struct gw_aws_scope scope;
    int64_t expires_s;
};

static struct gw_str read_text(const struct vector *v, const char *name)
{
    char *p = gw_arena_alloc(v->mem, MAX_FILE);
    FILE *f = fopen(gw_arena_printf(v->mem, "%s/%s", v->folder.p, name).p, "r");
    size_t n;

    CHECK(f);
    n = fread(p, 1, MAX_FILE, f);
    fclose(f);
    return (struct gw_str){p, n};
}

static void take_text(struct vector *v, struct gw_str name, struct gw_str text)
{
    struct gw_time time;

    if (gw_str_is(name, "access_key_id"))
        v->keys.id = text;
    else if (gw_str_is(name, "secret_access_key"))
        v->keys.secret = text;
    else if (gw_str_is(name, "token"))
        v->keys.token = text;
    else if (gw_str_is(name, "region"))
        v->scope.region = text;
    else if (gw_str_is(name, "service"))
        v->scope.service = text;
    else if (gw_str_is(name, "timestamp")) {
        CHECK(!gw_time_parse(text, &time));
        v->scope.now = time.sec;
    }
}

static void take_flag(struct vector *v, struct gw_str name, int value)
{
    if (gw_str_is(name, "normalize"))
        v->request.raw_path = !value;
    else if (gw_str_is(name, "sign_body"))
        v->request.hash_header = value;
    else if (gw_str_is(name, "omit_session_token"))
        v->request.unsigned_token = value;
}

static void read_context(struct vector *v)
{
    struct gw_str name = {0};
    struct gw_json j;

    gw_json_init(&j, read_text(v, "context.json"), 4);
    while (gw_json_next(&j) > GW_JSON_END) {
        if (j.token == GW_JSON_KEY)
            name = gw_json_string(&j, v->mem);
        else if (j.token == GW_JSON_STRING)
            take_text(v, name, gw_json_string(&j, v->mem));
        else if (j.token == GW_JSON_NUMBER && gw_str_is(name, "expiration_in_seconds"))
            v->expires_s = atoll(j.raw.p);
        else if (j.token == GW_JSON_TRUE || j.token == GW_JSON_FALSE)
            take_flag(v, name, j.token == GW_JSON_TRUE);
    }
    CHECK(j.token == GW_JSON_END);
}

/* Lines until an empty one; a line that begins with white space goes on with the one before. */
static struct gw_str next_line(struct gw_str *left)
{
    const char *end = memchr(left->p, '\n', left->len);
    struct gw_str line;

    while (end && end + 1 < left->p + left->len && end > left->p && end[1] == ' ')
        end = memchr(end + 1, '\n', (size_t)(left->p + left->len - end - 1));
    line = (struct gw_str){left->p, end ? (size_t)(end - left->p) : left->len};
    left->p += end ? line.len + 1 : line.len;
    left->len -= end ? line.len + 1 : line.len;
    return line;
}

static void read_request(struct vector *v)
{
    struct gw_str text = read_text(v, "request.txt"), line = next_line(&text);
    const char *space = memchr(line.p, ' ', line.len);
    const char *path = space + 1, *end = line.p + line.len - strlen(" HTTP/1.1");
    const char *mark = memchr(path, '?', (size_t)(end - path));

    v->request.method = (struct gw_str){line.p, (size_t)(space - line.p)};
    v->request.path = (struct gw_str){path, (size_t)((mark ? mark : end) - path)};
    v->request.query = mark ? (struct gw_str){mark + 1, (size_t)(end - mark - 1)} : GW_STR("");
    v->request.headers = v->headers;
    while ((line = next_line(&text)).len) {
        const char *colon = memchr(line.p, ':', line.len);
        struct gw_header *h = &v->headers[v->request.n_headers++];

        h->name = (struct gw_str){line.p, (size_t)(colon - line.p)};
        h->value = (struct gw_str){colon + 1, line.len - h->name.len - 1};
    }
    v->request.body = text;
}

static void same(const struct vector *v, const char *file, struct gw_str got)
{
    const struct gw_str want = read_text(v, file);

    if (gw_str_eq(want, got))
        return;
    fprintf(stderr, "%s/%s\n-- wanted\n%.*s\n-- got\n%.*s\n", v->folder.p, file, (int)want.len,
            want.p, (int)got.len, got.p);
    exit(1);
}

/* What stands in the signed request of the vector, as a header or in its first line. */
static int stands(const struct vector *v, const char *file, struct gw_str text)
{
    const struct gw_str all = read_text(v, file);

    return memmem(all.p, all.len, text.p, text.len) != NULL;
}

static void check_vector(struct vector *v)
{
    struct gw_aws_signature got;

    read_context(v);
    read_request(v);
    gw_aws_sign(v->mem, &v->request, &v->scope, &v->keys, &got);
    same(v, "header-canonical-request.txt", got.canonical);
    same(v, "header-string-to-sign.txt", got.to_sign);
    same(v, "header-signature.txt", got.signature);
    CHECK(stands(v, "header-signed-request.txt", got.authorization));
    CHECK(stands(v, "header-signed-request.txt", got.date));
    v->request.expires_s = v->expires_s;
    gw_aws_sign(v->mem, &v->request, &v->scope, &v->keys, &got);
    same(v, "query-canonical-request.txt", got.canonical);
    same(v, "query-string-to-sign.txt", got.to_sign);
    same(v, "query-signature.txt", got.signature);
    CHECK(!got.authorization.p);
    CHECK(memmem(got.query.p, got.query.len, got.signature.p, got.signature.len));
}

TEST(test_aws_sign_is_what_the_public_suite_says)
{
    struct vector v = {.mem = gw_arena_new()};
    struct gw_str folder = gw_arena_printf(v.mem, "%s/../shared/vectors/sigv4", spec_root());
    DIR *d = opendir(folder.p);
    int n = 0;

    if (!d)
        spec_skip("no vectors in ../shared");
    for (struct dirent *e; (e = readdir(d));) {
        struct vector each = {.mem = v.mem};

        if (e->d_name[0] == '.')
            continue;
        each.folder = gw_arena_printf(v.mem, "%s/%s", folder.p, e->d_name);
        check_vector(&each);
        n++;
    }
    closedir(d);
    gw_arena_free(v.mem);
    CHECK(n >= 38);
}
