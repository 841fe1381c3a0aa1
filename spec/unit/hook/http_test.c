/* moongate.http on a loop, with a server of the test's own on 127.0.0.1. What a script got is in
 * its event's `got`. */
#include "hook/http.h"

#include "base/buf.h"
#include "hook/world.h"
#include "http_server.h"

#include <netdb.h>
#include <stdlib.h>

struct one {
    struct gw_hook_call c; /* first */
    struct gw_arena *mem;
    struct gw_event ev;
    int dones;
};

static struct world w;
static struct gw_loop *loop;
static struct one ones[1100];
static size_t n_ones;
static const char *hosts[4];
static char asked[4000], url[80];

static void remember(const char *head, const char *body)
{
    snprintf(asked, sizeof(asked), "%s|%s", head, body);
}

static int was_asked(const char *part)
{
    int found;

    pthread_mutex_lock(&http_server_lock);
    found = strcasestr(asked, part) != NULL;
    if (!found)
        fprintf(stderr, "not asked: %s\nbut %s\n", part, asked);
    pthread_mutex_unlock(&http_server_lock);
    return found;
}

/* The script of hook(e): `get`, `post` and `request` are moongate.http's, `url` is the server's. */
static void open_hooks(const char *script)
{
    struct gw_buf b;

    http_server();
    snprintf(url, sizeof(url), "%s", http_server_url);
    world_init(&w);
    loop = gw_loop_new();
    w.conf.loop = loop;
    if (!hosts[0])
        hosts[0] = "127.0.0.1";
    w.conf.limits.allow_hosts.items = hosts;
    while (w.conf.limits.allow_hosts.n < 4 && hosts[w.conf.limits.allow_hosts.n])
        w.conf.limits.allow_hosts.n++;
    gw_buf_init(&b, 65536, w.mem);
    gw_buf_printf(&b,
                  "local m, url = require 'moongate', '%s' local get, post, request = m.http.get, "
                  "m.http.post, m.http.request\nlocal function clean(r, why) if not r then return "
                  "'no: ' .. why end return r.status .. ' ' .. r.body end return function(e)\n%s "
                  "end",
                  url, script);
    gw_buf_putc(&b, '\0');
    world_script(&w, "hook.lua", b.p);
    world_open(&w);
}

static void close_hooks(void)
{
    gw_hooks_close(w.hooks);
    for (size_t i = 0; i < n_ones; i++)
        gw_arena_free(ones[i].mem);
    gw_arena_free(w.mem);
    gw_loop_free(loop);
    n_ones = 0;
    memset(&w, 0, sizeof(w));
}

static void on_done(struct gw_hook_call *c)
{
    ((struct one *)c)->dones++;
}

static struct one *start(const char *id)
{
    struct one *o = &ones[n_ones++];

    memset(o, 0, sizeof(*o));
    o->mem = gw_arena_new();
    gw_event_init(&o->ev, o->mem);
    gw_event_set(&o->ev, GW_STR("id"), gw_str_of(id));
    gw_event_set(&o->ev, GW_STR("source"), GW_STR("/s"));
    gw_event_set(&o->ev, GW_STR("type"), GW_STR("t"));
    o->c = (struct gw_hook_call){.mem = o->mem, .event = &o->ev, .kind = GW_OTHER, .done = on_done};
    gw_hooks_start(w.hooks, &o->c);
    return o;
}

static struct one *finish(struct one *o)
{
    while (!o->dones)
        gw_loop_turn(loop, 1);
    CHECK(o->dones == 1);
    return o;
}

static const char *got(const struct one *o)
{
    const struct gw_str s = gw_event_text(&o->ev, "got");

    if (o->c.text[0])
        fprintf(stderr, "%s\n", o->c.text);
    return s.p ? gw_arena_strndup(o->mem, s.p, s.len) : "";
}

static int is(const struct one *o, const char *text)
{
    const char *g = got(o);
    const int same = strstr(g, text) != NULL;

    if (!same)
        fprintf(stderr, "got %s\nnot %s\n", g, text);
    return same;
}

/* One script on one event, from open to close. */
static void gives(const char *script, const char *text)
{
    open_hooks(script);
    CHECK(is(finish(start("e1")), text));
    close_hooks();
}

static const char *echo(const char *head, const char *body)
{
    remember(head, body);
    return "HTTP/1.1 201 Created\r\nX-Said: so\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n"
           "Content-Length: 5\r\n\r\nhello";
}

TEST(test_http_get_gives_status_headers_and_body)
{
    http_server_decide = echo;
    gives("local r = get(url, {headers = {['X-Mine'] = 'yes', n = 3}})\n"
          "e.got = r.status .. r.body .. r.headers['x-said'] .. r.headers['set-cookie']",
          "201hellosoa=1, b=2");
    CHECK(was_asked("GET /hook HTTP/1.1\r\n") && was_asked("\r\nx-mine: yes\r\n"));
    CHECK(was_asked("\r\nn: 3\r\n") && was_asked("\r\nuser-agent: moongate/"));
}

TEST(test_http_post_sends_a_body_or_json)
{
    http_server_decide = echo;
    gives("e.got = clean(post(url, {body = 'a\\0b'}))", "201 hello");
    CHECK(was_asked("POST /hook") && was_asked("content-length: 3"));
    gives("e.got = clean(post(url, {json = {a = {1, 'x'}}}))", "201 hello");
    CHECK(was_asked("content-type: application/json") && was_asked("|{\"a\":[1,\"x\"]}"));
    gives("e.got = clean(post(url, {json = 1, headers = {['content-type'] = 'x/y'}}))", "201");
    CHECK(was_asked("content-type: x/y"));
    gives("e.got = clean(post(url))", "201 hello");
}

TEST(test_http_request_has_every_method)
{
    http_server_decide = echo;
    gives("e.got = clean(request(url))", "201 hello");
    CHECK(was_asked("GET /hook"));
    gives("e.got = clean(request(url, {body = 'x'}))", "201 hello");
    CHECK(was_asked("POST /hook"));
    gives("e.got = clean(request(url, {method = 'put', body = 'x'}))", "201 hello");
    CHECK(was_asked("PUT /hook"));
    gives("e.got = clean(request(url, {method = 'DELETE'}))", "201 hello");
    CHECK(was_asked("DELETE /hook"));
    gives("e.got = clean(request(url, {method = 'HEAD'})) .. '.'", "201 .");
}

static const char *const wrong[][2] = {
    {"get()", "a string expected, got nothing"},
    {"get(url, 1)", "a table of options expected, got 1"},
    {"get(url, {timeot = 1})", "opts has no member \"timeot\" (did you mean \"timeout\"?)"},
    {"get(url, {1})", "opts has no member 1"},
    {"get(url, {timeout = 0})", "opts.timeout is a number of seconds above 0, not 0"},
    {"get(url, {timeout = 0 / 0})", "opts.timeout is a number of seconds above 0"},
    {"get(url, {timeout = '1'})", "opts.timeout is a number of seconds above 0, not \"1\""},
    {"get(url, {method = 'GET'})", "its method is its name"},
    {"get(url, {body = 'x'})", "a GET has no body"},
    {"get(url, {json = 1})", "a GET has no body"},
    {"post(url, {json = 1, body = 'x'})", "one of them is sent"},
    {"post(url, {body = {}})", "opts.body is a string, not a table"},
    {"post(url, {json = print})", "function"},
    {"request(url, {method = 'CONNECT'})", "not \"CONNECT\""},
    {"request(url, {method = 'HEAD', body = 'x'})", "a HEAD has no body"},
    {"get(url, {headers = 'x'})", "opts.headers is a table, not \"x\""},
    {"get(url, {headers = {'x'}})", "opts.headers has names and strings"},
    {"get(url, {headers = {x = {}}})", "opts.headers has names and strings, not \"x\" = a table"},
    {"get(url, {headers = {['a b'] = 'x'}})", "\"a b\" is no header for a script to set"},
    {"get(url, {headers = {['a\\r\\nb'] = 'x'}})", "is no header for a script to set"},
    {"get(url, {headers = {Host = 'x'}})", "\"Host\" is no header for a script to set"},
    {"get(url, {headers = {['content-length'] = '9'}})", "is no header for a script to set"},
    {"get(url, {headers = {['Transfer-Encoding'] = 'x'}})", "is no header for a script to set"},
    {"get(url, {headers = {['Proxy-Authorization'] = 'x'}})", "is no header for a script to set"},
    {"get(url, {headers = {x = 'a\\r\\nEvil: 1'}})", "a control character in the header x"},
    {"get(url, {headers = {x = 'a\\0b'}})", "a control character in the header x"},
    {"get(url, (function() local h = {} for i = 1, 65 do h['x' .. i] = '' end return {headers = h} "
     "end)())",
     "more than 64 headers"},
};

TEST(test_http_wrong_arguments_raise)
{
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char script[400];
        struct one *o;

        snprintf(script, sizeof(script), "%s", wrong[i][0]);
        open_hooks(script);
        o = start("e1");
        if (o->dones != 1 || !strstr(o->c.text, wrong[i][1]) ||
            !strstr(o->c.text, "hook.lua:3: ")) {
            fprintf(stderr, "%s: %s\n", wrong[i][0], o->c.text);
            CHECK(0);
        }
        close_hooks();
    }
}

TEST(test_http_goes_only_where_it_is_allowed)
{
    http_server_decide = echo;
    gives("e.got = clean(get('http://example.com/'))",
          "no: example.com:80 is not in hook_limits.allow_hosts");
    gives("e.got = clean(get('ftp://127.0.0.1/'))", "no: not an http:// or https:// URL");
    gives("e.got = clean(get('http://127.0.0.1\\\\@x/'))", "no: not a URL: bytes");
    gives("e.got = clean(get('http://x@127.0.0.1/'))", "no: a name and password do not belong");
    gives("e.got = clean(get('http://127.0.0.1/\\0'))", "no: not a URL: it has a zero byte");
    gives("e.got = clean(get('http://127.0.0.1/' .. ('x'):rep(9000)))", "no: it is too long");
    hosts[0] = "127.0.0.1:1";
    gives("e.got = clean(get(url))", "is not in hook_limits.allow_hosts");
    hosts[0] = "localhost.";
    gives("e.got = clean(get(url))", "no: 127.0.0.1:");
}

/* A name of /etc/hosts: 127.0.0.1 by itself, and by *.name. */
TEST(test_http_looks_where_a_name_leads)
{
    http_server_decide = echo;
    hosts[0] = "localhost";
    gives("e.got = clean(get((url:gsub('127.0.0.1', 'localhost'))))", "201 hello");
    gives("e.got = clean(get((url:gsub('127.0.0.1', 'LOCALHOST.'))))", "201 hello");
    hosts[0] = "*.localhost"; /* names of which libcurl itself knows where they lead */
    gives("e.got = clean(get((url:gsub('127.0.0.1', 'a.localhost'))))",
          "a loopback address that hook_limits.allow_hosts does not list");
    hosts[1] = "127.0.0.1"; /* the address is listed: any name that is allowed may lead there */
    gives("e.got = clean(get((url:gsub('127.0.0.1', 'a.localhost'))))", "201 hello");
    hosts[1] = "127.0.0.1:1";
    gives("e.got = clean(get((url:gsub('127.0.0.1', 'a.localhost'))))", "a loopback address");
    hosts[0] = "127.0.0.1";
    hosts[1] = NULL;
    gives("local port = url:match(':(%d+)/') e.got = clean(get('http://2130706433:' .. port))",
          "201 hello");
    hosts[0] = "0.0.0.1";
    gives("local port = url:match(':(%d+)/') e.got = clean(get('http://0:' .. port))", "not in");
}

TEST(test_http_uses_no_proxy)
{
    http_server_decide = echo;
    http_server();
    setenv("no_proxy", "", 1);
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("all_proxy", "http://127.0.0.1:1", 1);
    gives("e.got = clean(get(url))", "201 hello");
}

/* ---- redirects ---- */

static char location[200];
static const char *status_line = "302 Found";

static const char *redirect(const char *head, const char *body)
{
    static _Thread_local char answer[400];

    if (strstr(head, "/there"))
        return echo(head, body);
    snprintf(answer, sizeof(answer), "HTTP/1.1 %s\r\nLocation: %s\r\nContent-Length: 4\r\n\r\nmove",
             status_line, location);
    return answer;
}

static void redirects(const char *to, const char *script, const char *text)
{
    http_server_decide = redirect;
    snprintf(location, sizeof(location), "%s", to);
    gives(script, text);
}

TEST(test_http_follows_redirects_and_looks_at_each)
{
    static const char get[] = "e.got = clean(get(url, {headers = {authorization = 'A', x = 'B'}}))";

    redirects("/there", get, "201 hello");
    CHECK(was_asked("GET /there") && was_asked("authorization: A") && was_asked("x: B"));
    redirects("http://elsewhere.example/there", get,
              "no: elsewhere.example:80 is not in hook_limits.allow_hosts");
    redirects("file:///etc/passwd", get, "no: redirected to what is no address");
    redirects("http://user@127.0.0.1/there", get, "no: redirected to what is no address");
    redirects("/again", get, "no: more than 5 redirects");
    hosts[0] = "127.0.0.1";
    hosts[1] = "*.localhost";
    http_server();
    snprintf(location, sizeof(location), "http://a.localhost:%s",
             strrchr(http_server_url, ':') + 1);
    http_server_decide = redirect;
    hosts[0] = "localhost";
    gives("e.got = clean(get((url:gsub('127.0.0.1', 'localhost'))))",
          "a loopback address that hook_limits.allow_hosts does not list");
}

TEST(test_http_secrets_stay_with_their_host)
{
    char to[100];

    http_server();
    snprintf(to, sizeof(to), "http://localhost:%d/there",
             (int)strtol(strrchr(http_server_url, ':') + 1, NULL, 10));
    hosts[0] = "127.0.0.1";
    hosts[1] = "localhost";
    redirects(to,
              "e.got = clean(get(url, {headers = {Authorization = 'S', Cookie = 'S', x = 'B'}}))",
              "201 hello");
    CHECK(was_asked("x: B"));
    CHECK(!strcasestr(asked, "authorization") && !strcasestr(asked, "cookie: S"));
}

TEST(test_http_a_redirected_post_becomes_a_get_but_for_307)
{
    static const char post[] = "e.got = clean(post(url, {json = {1}}))";

    redirects("/there", post, "201 hello");
    CHECK(was_asked("GET /there") && !strcasestr(asked, "content-type"));
    status_line = "307 Temporary";
    redirects("/there", post, "201 hello");
    CHECK(was_asked("POST /there") && was_asked("|[1]") && was_asked("content-type: app"));
    status_line = "303 See Other";
    redirects("/there", "e.got = clean(request(url, {method = 'PUT', body = 'x'}))", "201 hello");
    CHECK(was_asked("GET /there"));
    status_line = "304 Not Modified"; /* no redirect */
    redirects("/there", "e.got = clean(get(url))", "304 ");
}

/* ---- bounds ---- */

/* Each is made once: another connection may still be sending it. */
static const char *huge(const char *head, const char *body)
{
    static const size_t sizes[] = {1 << 20, (1 << 20) + 1, 3 << 20};
    static char *answers[3];
    const int i = strstr(head, "/fits") ? 0 : strstr(head, "/over") ? 1 : 2;
    int len;

    (void)body;
    if (answers[i])
        return answers[i];
    answers[i] = calloc(1, sizes[i] + 200);
    CHECK(answers[i]);
    len = snprintf(answers[i], 200, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", sizes[i]);
    memset(answers[i] + len, 'x', sizes[i]);
    return answers[i];
}

TEST(test_http_an_answer_is_at_most_a_megabyte)
{
    http_server_decide = huge;
    gives("local r = get(url .. '/fits') e.got = #r.body .. ''", "1048576");
    gives("e.got = clean(get(url .. '/over'))", "no: the answer is larger than 1048576 bytes");
    gives("e.got = clean(get(url))", "no: the answer is larger than 1048576 bytes");
}

static const char *many_headers(const char *head, const char *body)
{
    static _Thread_local char answer[100000];
    size_t n = (size_t)snprintf(answer, 100, "HTTP/1.1 200 OK\r\n");

    (void)head;
    (void)body;
    while (n < 90000)
        n += (size_t)snprintf(answer + n, 100, "x-%zu: %060d\r\n", n, 7);
    snprintf(answer + n, 100, "Content-Length: 0\r\n\r\n");
    return answer;
}

TEST(test_http_headers_have_a_bound)
{
    http_server_decide = many_headers;
    gives("e.got = clean(get(url))", "no: the answer's headers are larger than 65536 bytes");
}

static const char *silent(const char *head, const char *body)
{
    (void)body;
    if (strstr(head, "/cut"))
        return "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    return NULL;
}

TEST(test_http_a_timeout_of_its_own_gives_nil)
{
    http_server_decide = silent;
    gives("e.got = clean(get(url, {timeout = 0.05}))", "no: no answer within 0.05 s");
    gives("e.got = clean(get(url .. '/cut', {timeout = 0.05}))", "no: no answer within 0.05 s");
}

TEST(test_http_past_the_hooks_time_is_a_hook_timeout)
{
    struct one *o;

    http_server_decide = silent;
    open_hooks("if e.id == 'quick' then e.got = 'quick' return end local r = get(url)");
    gw_hooks_close(w.hooks);
    w.conf.limits.timeout_ms = 50;
    world_open(&w);
    o = finish(start("e1"));
    CHECK(o->c.verdict == GW_HOOK_FAILED && !strcmp(o->c.reason, "hook_timeout"));
    CHECK(strstr(o->c.text, "hook.lua:3: no answer within 50 ms") != NULL && !o->c.stopped);
    CHECK(is(start("quick"), "quick"));
    close_hooks();
}

TEST(test_http_what_fails_gives_nil_and_why)
{
    hosts[0] = "127.0.0.1";
    hosts[1] = "nosuch.invalid";
    gives("e.got = clean(get('http://127.0.0.1:1/'))", "Connection refused");
    gives("e.got = clean(get('http://nosuch.invalid/'))", "no: Could not resolve host");
}

TEST(test_http_an_answer_counts_as_memory)
{
    struct one *o;

    http_server_decide = huge;
    open_hooks("local kept = {} for i = 1, 100 do local r, why = get(url .. '/fits')\n"
               "if not r then e.got = why return end kept[i] = r.body end");
    gw_hooks_close(w.hooks);
    w.conf.limits.memory = 3 << 20;
    world_open(&w);
    o = finish(start("e1"));
    if (o->c.verdict == GW_HOOK_PUBLISH)
        CHECK(is(o, "hook_limits.memory has no room for the answer"));
    else
        CHECK(!strcmp(o->c.reason, "hook_memory"));
    close_hooks();
}

/* More than are in flight at a time: all are answered, and nothing stays behind. */
TEST(test_http_a_thousand_wait_and_all_are_answered)
{
    enum { N = 1000 };
    http_server_decide = echo;
    open_hooks("e.got = clean(get(url .. '/' .. e.id))");
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N / 2; i++) {
            char id[20];

            snprintf(id, sizeof(id), "e%d", i);
            CHECK(start(id)->dones == 0);
        }
        for (size_t i = 0; i < n_ones; i++)
            CHECK(is(finish(&ones[i]), "201 hello"));
    }
    close_hooks();
}

TEST(test_http_requests_leave_nothing_behind)
{
    http_server_decide = echo;
    open_hooks("e.got = clean(post(url, {body = ('x'):rep(100)}))");
    gw_hooks_close(w.hooks);
    w.conf.limits.memory = 1 << 20;
    world_open(&w);
    for (int i = 0; i < 800; i++) {
        n_ones = 0;
        CHECK(is(finish(start("e")), "201 hello"));
        gw_arena_free(ones[0].mem);
    }
    n_ones = 0;
    close_hooks();
}

TEST(test_http_at_close_gives_up_what_is_under_way)
{
    http_server_decide = silent;
    open_hooks("get(url)");
    for (int i = 0; i < 400; i++)
        CHECK(start("e")->dones == 0);
    gw_loop_turn(loop, 1);
    close_hooks();
}

TEST(test_http_while_it_loads_raises)
{
    world_init(&w);
    world_script(&w, "hook.lua", "local m = require 'moongate'\nm.http.get('http://a')\n");
    CHECK(!gw_hooks_open(&w.conf, &w.err));
    CHECK(strstr(w.err.msg, "hook.lua:2: moongate.http.get: a script cannot wait while it loads") !=
          NULL);
    gw_arena_free(w.mem);
}

/* ---- specs answer in place of the network ---- */

static int outside(void *ctx, const struct gw_hook_request *rq, struct gw_hook_answer *a)
{
    static const struct gw_hook_header headers[] = {{GW_STR("X-A"), GW_STR("1")}};

    (void)ctx;
    snprintf(asked, sizeof(asked), "%s %s %.*s %zu", rq->method.p, rq->url.p, (int)rq->body.len,
             rq->body.p ? rq->body.p : "", rq->n_headers);
    if (strstr(rq->url.p, "none"))
        return 0;
    if (strstr(rq->url.p, "fail")) {
        snprintf(a->why, sizeof(a->why), "unplugged");
        return 1;
    }
    *a = (struct gw_hook_answer){
        .status = 404, .body = GW_STR("gone"), .headers = headers, .n_headers = 1};
    return 1;
}

TEST(test_http_of_a_spec_is_answered_at_once)
{
    static const struct gw_hook_outside o = {.http = outside};
    struct one *one;

    open_hooks("local r, why = post('https://x.example/' .. e.id, {json = {}})\n"
               "e.got = clean(r, why) .. (r and r.headers['x-a'] or '')");
    gw_hooks_close(w.hooks);
    w.conf.outside = &o;
    w.conf.loop = NULL;
    world_open(&w);
    CHECK(is(start("a"), "404 gone1") && was_asked("POST https://x.example/a {} 1"));
    CHECK(is(start("fail"), "no: unplugged"));
    one = start("none");
    CHECK(one->dones == 1 &&
          strstr(one->c.text, "no answer was given: gate.http(\"https://x.") != NULL);
    close_hooks();
}

TEST(test_http_without_a_network_gives_nil)
{
    open_hooks("e.got = clean(get(url))");
    gw_hooks_close(w.hooks);
    w.conf.loop = NULL;
    world_open(&w);
    CHECK(is(start("a"), "no: there is no network here"));
    close_hooks();
}
