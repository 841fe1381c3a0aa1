#include "net/http1_answer.h"

#include "base/arena.h"
#include "net/http_call.h"
#include "test.h"

#include <string.h>

/* Bytes that a server says, whole and cut everywhere: what they come to. */
struct says {
    const char *what, *bytes;
    int status;        /* 0: it is no answer */
    const char *body;  /* or a part of why it is none */
    const char *field; /* NAME: VALUE, the first that is kept; NULL: not looked at */
    int closes;        /* the connection serves no other call */
    int behind;        /* bytes behind the answer */
    int is_head, to_the_end;
};

#define OK      "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

static const struct says all[] = {
    /* lengths */
    {"a length", OK "Content-Length: 3\r\n\r\nabc", 200, "abc", "content-length: 3", 0, 0, 0, 0},
    {"a length of 0", OK "Content-Length: 0\r\n\r\n", 200, "", NULL, 0, 0, 0, 0},
    {"more than was said", OK "Content-Length: 3\r\n\r\nabcd", 200, "abc", NULL, 0, 1, 0, 0},
    {"no length", OK "\r\nabc", 200, "abc", NULL, 1, 0, 0, 1},
    {"no length, no body", OK "\r\n", 200, "", NULL, 1, 0, 0, 1},
    {"half a body", OK "Content-Length: 3\r\n\r\nab", 0, "closed", NULL, 0, 0, 0, 1},
    {"two lengths", OK "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 0, "plain number", NULL,
     0, 0, 0, 0},
    {"a list of lengths", OK "Content-Length: 3, 3\r\n\r\nabc", 0, "plain number", NULL, 0, 0, 0,
     0},
    {"a signed length", OK "Content-Length: +3\r\n\r\nabc", 0, "plain number", NULL, 0, 0, 0, 0},
    {"a length of words", OK "Content-Length: 3x\r\n\r\nabc", 0, "plain number", NULL, 0, 0, 0, 0},
    {"an empty length", OK "Content-Length:\r\n\r\nabc", 0, "plain number", NULL, 0, 0, 0, 0},
    {"a length of 16 digits", OK "Content-Length: 1000000000000000\r\n\r\n", 0, "plain number",
     NULL, 0, 0, 0, 0},
    /* codings */
    {"chunks", CHUNKED "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-T: 1\r\n\r\n", 200, "abcde", NULL, 0, 0,
     0, 0},
    {"chunks in capitals", OK "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", 200, "", NULL, 0, 0, 0,
     0},
    {"chunks without an end", CHUNKED "3\r\nabc\r\n", 0, "closed", NULL, 0, 0, 0, 1},
    {"a chunk of words", CHUNKED "zz\r\n", 0, "chunked body", NULL, 0, 0, 0, 0},
    {"a chunk that is longer", CHUNKED "2\r\nabc\r\n", 0, "chunked body", NULL, 0, 0, 0, 0},
    {"gzip, chunked", OK "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0,
     "Transfer-Encoding but", NULL, 0, 0, 0, 0},
    {"chunked twice", OK "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 0,
     "Transfer-Encoding but", NULL, 0, 0, 0, 0},
    {"chunked in two lines",
     OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0,
     "Transfer-Encoding but", NULL, 0, 0, 0, 0},
    {"identity", OK "Transfer-Encoding: identity\r\n\r\nabc", 0, "Transfer-Encoding but", NULL, 0,
     0, 0, 0},
    {"a coding and a length", OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
     0, "beside", NULL, 0, 0, 0, 0},
    {"a coding in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0,
     "HTTP/1.0", NULL, 0, 0, 0, 0},
    /* no body */
    {"HEAD", OK "Content-Length: 5\r\n\r\n", 200, "", "content-length: 5", 0, 0, 1, 0},
    {"HEAD of chunks", CHUNKED, 200, "", NULL, 0, 0, 1, 0},
    {"HEAD without a length", OK "\r\n", 200, "", NULL, 0, 0, 1, 0},
    {"HEAD with two lengths", OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 0,
     "plain number", NULL, 0, 0, 1, 0},
    {"204", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", NULL, 0, 0, 0, 0},
    {"204 with a body", "HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\na", 204, "", NULL, 0,
     1, 0, 0},
    {"304 with a length", "HTTP/1.1 304 x\r\nContent-Length: 50\r\n\r\n", 304, "",
     "content-length: 50", 0, 0, 0, 0},
    /* answers before the answer */
    {"100", "HTTP/1.1 100 Continue\r\nX-E: 1\r\n\r\nHTTP/1.1 204 x\r\nX-A: 1\r\n\r\n", 204, "",
     "x-a: 1", 0, 0, 0, 0},
    {"103 twice", "HTTP/1.1 103 x\r\n\r\nHTTP/1.1 103 x\r\n\r\nHTTP/1.1 204 x\r\n\r\n", 204, "",
     NULL, 0, 0, 0, 0},
    {"100 and no more", "HTTP/1.1 100 Continue\r\n\r\n", 0, "closed", NULL, 0, 0, 0, 1},
    {"101", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", 0, "another protocol", NULL, 0, 0, 0,
     0},
    /* status lines */
    {"no phrase", "HTTP/1.1 204\r\n\r\n", 204, "", NULL, 0, 0, 0, 0},
    {"an empty phrase", "HTTP/1.1 204 \r\n\r\n", 204, "", NULL, 0, 0, 0, 0},
    {"status 0", "HTTP/1.1 0 x\r\n\r\n", 0, "no status line", NULL, 0, 0, 0, 0},
    {"status 000", "HTTP/1.1 000 x\r\n\r\n", 0, "no status line", NULL, 0, 0, 0, 0},
    {"status 99", "HTTP/1.1 99 x\r\n\r\n", 0, "no status line", NULL, 0, 0, 0, 0},
    {"status 600", "HTTP/1.1 600 x\r\n\r\n", 0, "no status line", NULL, 0, 0, 0, 0},
    {"status 2000", "HTTP/1.1 2000 x\r\n\r\n", 0, "no status line", NULL, 0, 0, 0, 0},
    {"status 20x", "HTTP/1.1 20x x\r\n\r\n", 0, "no status line", NULL, 0, 0, 0, 0},
    {"no status", "HTTP/1.1\r\n\r\n", 0, "no status line", NULL, 0, 0, 0, 0},
    {"two blanks", "HTTP/1.1  200 OK\r\n\r\n", 0, "no status line", NULL, 0, 0, 0, 0},
    {"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", 0, "no status line", NULL, 0, 0, 0, 0},
    {"HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n", 0, "no status line", NULL, 0, 0, 0, 0},
    {"http", "http/1.1 200 OK\r\n\r\n", 0, "no status line", NULL, 0, 0, 0, 0},
    {"no HTTP", "SSH-2.0-x", 0, "no status line", NULL, 0, 0, 0, 0},
    {"an empty line in front", "\r\nHTTP/1.1 204 x\r\n\r\n", 0, "no status line", NULL, 0, 0, 0, 0},
    {"a request", "GET / HTTP/1.1\r\n\r\n", 0, "no status line", NULL, 0, 0, 0, 0},
    {"nothing", "", 0, "closed", NULL, 0, 0, 0, 1},
    {"half a head", OK "Content-Le", 0, "closed", NULL, 0, 0, 0, 1},
    /* fields */
    {"capitals", OK "X-UP: Up\r\nContent-Length: 0\r\n\r\n", 200, "", "x-up: Up", 0, 0, 0, 0},
    {"blanks around", OK "A: \t b \t\r\nContent-Length: 0\r\n\r\n", 200, "", "a: b", 0, 0, 0, 0},
    {"a blank before a colon", OK "A \t: b\r\nContent-Length: 0\r\n\r\n", 200, "", "a: b", 0, 0, 0,
     0},
    {"a length before a blank", OK "Content-Length : 3\r\n\r\nabc", 200, "abc", "content-length: 3",
     0, 0, 0, 0},
    {"nothing said", OK "A:\r\nContent-Length: 0\r\n\r\n", 200, "", "a: ", 0, 0, 0, 0},
    {"a blank in a name", OK "A b: c\r\n\r\n", 0, "name", NULL, 0, 0, 0, 0},
    {"no name", OK ": c\r\n\r\n", 0, "name", NULL, 0, 0, 0, 0},
    {"no colon", OK "abc\r\n\r\n", 0, "name", NULL, 0, 0, 0, 0},
    {"a folded field", OK "A: b\r\n c\r\n\r\n", 0, "folded", NULL, 0, 0, 0, 0},
    {"a blank in front", OK " A: b\r\n\r\n", 0, "folded", NULL, 0, 0, 0, 0},
    {"a control character", OK "A: b\001c\r\n\r\n", 0, "control", NULL, 0, 0, 0, 0},
    {"a bare CR", OK "A: b\rB: c\r\n\r\n", 0, "CRLF", NULL, 0, 0, 0, 0},
    {"a bare LF", OK "A: b\nB: c\r\n\r\n", 0, "CRLF", NULL, 0, 0, 0, 0},
    {"LF alone", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", 0, "CRLF", NULL, 0, 0, 0, 0},
    /* connections */
    {"close", OK "Connection: x, Close\r\nContent-Length: 0\r\n\r\n", 200, "", NULL, 1, 0, 0, 0},
    {"close and keep-alive",
     OK "Connection: close\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", 200, "", NULL,
     1, 0, 0, 0},
    {"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", NULL, 1, 0, 0, 0},
    {"HTTP/1.0 that stays",
     "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", 200, "", NULL, 0, 0,
     0, 0},
};

static struct gw_arena *mem;
static struct gw_http1_answer answer;
static struct gw_http_call call;
static struct gw_err err;

static void begin(int is_head)
{
    call = (struct gw_http_call){
        .method = is_head ? GW_STR("HEAD") : GW_STR("GET"), .max_answer = 100000, .mem = mem};
    gw_http_call_begin(&call);
    gw_http1_answer_begin(&answer, &call);
}

/* In pieces of so many bytes. 1: whole, *in is behind it; -1; 0: it goes on. */
static int feed(struct gw_str *in, size_t step)
{
    int rc = 0;

    while (!rc && in->len > 0) {
        struct gw_str piece = {in->p, in->len < step ? in->len : step};
        const size_t len = piece.len;

        rc = gw_http1_answer_feed(&answer, &piece, &err);
        CHECK(rc || piece.len == 0);
        *in = (struct gw_str){in->p + (len - piece.len), in->len - (len - piece.len)};
    }
    return rc;
}

static int is_kept(const char *field)
{
    const struct gw_http_header *h = call.answer_headers;
    char kept[100];

    if (!field)
        return 1;
    snprintf(kept, sizeof(kept), "%.*s: %.*s", (int)h->name.len, h->name.p, (int)h->value.len,
             h->value.p);
    return call.n_answer_headers > 0 && !strcmp(kept, field);
}

static int is_as_said(const struct says *s, size_t step)
{
    struct gw_str in = gw_str_of(s->bytes);
    int rc;

    begin(s->is_head);
    err.msg[0] = '\0';
    rc = feed(&in, step);
    if (rc == 0)
        rc = s->to_the_end && !gw_http1_answer_end(&answer, &err) ? 1 : -1;
    if (!s->status)
        return rc < 0 && strstr(err.msg, s->body);
    return rc == 1 && call.status == s->status && call.n_head == call.n_answer_headers &&
           gw_str_is(gw_buf_str(&call.answer), s->body) && is_kept(s->field) &&
           answer.keep_alive == !s->closes && in.len == (size_t)s->behind;
}

TEST(test_http1_answer_is_what_it_is_however_it_is_cut)
{
    int wrong = 0;

    mem = gw_arena_new();
    gw_http1_answer_init(&answer);
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        for (size_t step = 1; step <= 200; step = step < 8 ? step + 1 : step * 5)
            if (!is_as_said(&all[i], step)) {
                printf("%s, %zu bytes at a time: %d, %s\n", all[i].what, step, call.status,
                       err.msg);
                wrong++;
            }
    CHECK(!wrong);
    gw_http1_answer_fini(&answer);
    gw_arena_free(mem);
}

/* A server that says answers before its answer for ever, or a head, or fields. */
TEST(test_http1_answer_has_bounds)
{
    static const struct {
        const char *begin, *again, *why;
        int most;
    } endless[] = {
        {"", "HTTP/1.1 102 x\r\nA: b\r\n\r\n", "too large", 3000},
        {OK, "A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n", "too large", 1200},
        {OK "A: ", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "too large",
         1200},
        {CHUNKED "1;", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "chunked", 400},
    };
    struct gw_str in;

    mem = gw_arena_new();
    gw_http1_answer_init(&answer);
    for (size_t i = 0; i < sizeof(endless) / sizeof(*endless); i++) {
        int rc = 0, n = 0;

        begin(0);
        in = gw_str_of(endless[i].begin);
        CHECK(!feed(&in, 100));
        for (; !rc && n < endless[i].most; n++) {
            in = gw_str_of(endless[i].again);
            rc = feed(&in, 100);
        }
        CHECK(rc < 0 && strstr(err.msg, endless[i].why));
    }
    begin(0);
    for (int i = 0; i < 257; i++) {
        in = i ? GW_STR("a: b\r\n") : GW_STR(OK);
        CHECK(!feed(&in, 100));
    }
    in = GW_STR("a: b\r\n\r\n");
    CHECK(feed(&in, 100) < 0 && strstr(err.msg, "256 fields"));
    gw_http1_answer_fini(&answer);
    gw_arena_free(mem);
}
