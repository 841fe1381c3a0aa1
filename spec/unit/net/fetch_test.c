#include "net/fetch.h"

#include "http_server.h"
#include "net/loop.h"

static const struct gw_fetch_conf conf = {.timeout_ms = 60000, .verify = 1, .connections = 4};

struct one {
    struct gw_fetch f; /* first */
    int done, inside_start, again;
};

static void start(struct one *o)
{
    o->inside_start = 1;
    gw_fetch_start(&o->f);
    o->inside_start = 0;
}

static void on_done(struct gw_fetch *f)
{
    struct one *o = (struct one *)f;

    CHECK(!o->inside_start);
    o->done++;
    if (o->again && o->again--)
        start(o);
}

static void init(struct one *o, struct gw_fetcher *fetcher, const char *method, const char *body)
{
    *o = (struct one){.done = 0};
    gw_fetch_init(&o->f, fetcher, 10);
    o->f.url = http_server();
    o->f.method = method;
    o->f.body = gw_str_of(body);
    o->f.done = on_done;
}

static char asked[2000];

static const char *remember(const char *head, const char *body)
{
    snprintf(asked, sizeof(asked), "%s|%s", head, body);
    return "HTTP/1.1 200 OK\r\nX-Said: so \r\nContent-Length: 20\r\n\r\n01234567890123456789";
}

static int asked_for(const char *text)
{
    int found;

    pthread_mutex_lock(&http_server_lock);
    found = strcasestr(asked, text) != NULL;
    pthread_mutex_unlock(&http_server_lock);
    return found;
}

TEST(test_fetch_sends_what_it_was_given_and_nothing_curl_adds)
{
    struct gw_loop *l = gw_loop_new();
    struct gw_fetcher *fetcher = gw_fetcher_new(l, &conf);
    struct one o;

    http_server_decide = remember;
    init(&o, fetcher, "POST", "body");
    gw_fetch_header(&o.f, GW_STR("X-One"), GW_STR("1"));
    gw_fetch_header(&o.f, GW_STR("X-Empty"), GW_STR(""));
    start(&o);
    while (!o.done)
        gw_loop_turn(l, 1);
    CHECK(o.f.status == 200 && !o.f.why[0]);
    CHECK(gw_str_is(gw_buf_str(&o.f.answer), "0123456789")); /* as much as was asked for */
    CHECK(gw_str_is(gw_fetch_answer_header(&o.f, "x-said"), "so"));
    CHECK(!gw_fetch_answer_header(&o.f, "x-other").p);
    CHECK(asked_for("POST /hook HTTP/1.1\r\n") && asked_for("|body"));
    CHECK(asked_for("\r\nX-One: 1\r\n") && asked_for("\r\nX-Empty:\r\n"));
    CHECK(!asked_for("expect") && !asked_for("urlencoded"));
    o.f.body = (struct gw_str){0};
    o.f.method = "OPTIONS";
    gw_fetch_headers_clear(&o.f);
    start(&o);
    while (o.done < 2)
        gw_loop_turn(l, 1);
    CHECK(asked_for("OPTIONS /hook HTTP/1.1\r\n") && !asked_for("x-one") &&
          !asked_for("content-length"));
    gw_fetch_fini(&o.f);
    gw_fetcher_free(fetcher);
    gw_loop_free(l);
}

TEST(test_fetch_done_may_start_again_and_start_may_be_many)
{
    enum { N = 20 };
    struct gw_loop *l = gw_loop_new();
    struct gw_fetcher *fetcher = gw_fetcher_new(l, &conf);
    struct one all[N];
    int left = 1;

    for (int i = 0; i < N; i++) {
        init(&all[i], fetcher, "PUT", "");
        all[i].again = 2;
        start(&all[i]);
    }
    while (left) {
        gw_loop_turn(l, 1);
        left = 0;
        for (int i = 0; i < N; i++)
            left |= all[i].done < 3;
    }
    for (int i = 0; i < N; i++) {
        CHECK(all[i].done == 3 && all[i].f.status == 200);
        gw_fetch_fini(&all[i].f);
    }
    gw_fetcher_free(fetcher);
    gw_loop_free(l);
}

static const char *silent(const char *head, const char *body)
{
    (void)head;
    (void)body;
    return NULL;
}

static void be_silent(void)
{
    pthread_mutex_lock(&http_server_lock);
    http_server_decide = silent;
    pthread_mutex_unlock(&http_server_lock);
}

TEST(test_fetch_a_cancelled_one_is_not_told_and_may_start_again)
{
    struct gw_loop *l = gw_loop_new();
    struct gw_fetcher *fetcher = gw_fetcher_new(l, &conf);
    struct one a, b;

    init(&a, fetcher, "POST", "a");
    init(&b, fetcher, "POST", "b");
    start(&a);
    start(&b);
    gw_fetch_cancel(&a.f);
    while (!b.done)
        gw_loop_turn(l, 1);
    CHECK(!a.done && b.done == 1);
    start(&a);
    while (!a.done)
        gw_loop_turn(l, 1);
    CHECK(a.f.status == 200 && b.done == 1);
    be_silent();
    start(&a);
    gw_loop_turn(l, 0);
    gw_fetch_fini(&a.f); /* under way */
    gw_fetch_fini(&b.f);
    gw_fetcher_free(fetcher);
    gw_loop_turn(l, 0);
    CHECK(a.done == 1 && b.done == 1);
    gw_loop_free(l);
}

TEST(test_fetch_knows_a_url_from_what_is_none)
{
    static const char *const good[] = {"http://h", "https://h:1/p?q=1", "HTTP://[::1]:80/",
                                       "http://h/?access_token=x"};
    static const char *const bad[] = {"",
                                      "h",
                                      "h/p",
                                      "/p",
                                      "ftp://h/",
                                      "file:///etc/passwd",
                                      "http://",

                                      "http://h:0x/",
                                      "http://h:99999/",
                                      "http://u@h/",
                                      "http://u:p@h/",
                                      "http://h/#f",
                                      "http://h h/",
                                      "http://h/\n"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        CHECK(!gw_fetch_url_problem(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (!gw_fetch_url_problem(bad[i])) {
            fprintf(stderr, "%s\n", bad[i]);
            CHECK(!"taken for a URL");
        }
}

/* ---- URLs that others chose ---- */

static const char *read_as(const char *base, const char *text, char out[400])
{
    struct gw_fetch_url u = {.port = 0};
    const char *why;

    gw_buf_init(&u.text, 300, NULL);
    why = gw_fetch_url_read(&u, base, text);
    if (!why)
        snprintf(out, 400, "%s %s %d %d", u.text.p, u.host, u.port, u.tls);
    gw_buf_free(&u.text);
    return why;
}

TEST(test_fetch_url_is_read_as_it_will_be_asked_for)
{
    static const char *const good[][2] = {
        {"http://a", "http://a/ a 80 0"},
        {"HTTPS://A.B.:8443/x?y#z", "https://a.b:8443/x?y a.b 8443 1"},
        {"http://[::1]:80/", "http://[::1]:80/ [::1] 80 0"},
        {"http://127.1/", "http://127.0.0.1/ 127.0.0.1 80 0"},
        {"http://0x7f.0.0.1/", "http://127.0.0.1/ 127.0.0.1 80 0"},
        {"http://0177.0.0.1/", "http://127.0.0.1/ 127.0.0.1 80 0"},
        {"http://2130706433/", "http://127.0.0.1/ 127.0.0.1 80 0"},
        {"http://0x7f000001:8080", "http://127.0.0.1:8080/ 127.0.0.1 8080 0"},
        {"http://%31%32%37.0.0.1/", "http://127.0.0.1/ 127.0.0.1 80 0"},
        {"http://a/../b/./c", "http://a/b/c a 80 0"},
        {"http://a:/", "http://a/ a 80 0"},
    };
    char got[400];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        const char *why = read_as(NULL, good[i][0], got);

        if (why || strcmp(got, good[i][1]) != 0) {
            fprintf(stderr, "%s: %s\n", good[i][0], why ? why : got);
            CHECK(0);
        }
    }
}

TEST(test_fetch_url_that_parsers_read_differently_is_refused)
{
    static const char *const bad[] = {"",
                                      "a",
                                      "//a",
                                      "a.b/c",
                                      "ftp://a",
                                      "file:///etc/passwd",
                                      "gopher://a",
                                      "javascript:x",
                                      "http://",
                                      "http:///x",
                                      "http://user@a/",
                                      "http://user:pass@a/",
                                      "http://a@b@c/",
                                      "http://a\\@b/",
                                      "http:\\\\a",
                                      "http://a\tb/",
                                      "http://a b/",
                                      "http://a/ b",
                                      "http://a/\r\nX: y",
                                      "http://a:99999/",
                                      "http://a:0/",
                                      "http://a:x/",
                                      "http://a:80:90/",
                                      "http://[fe80::1%25eth0]/",
                                      "http://[::1/",
                                      "http://[1.2.3]/",
                                      "http://[::g]/",
                                      "http://\xc3\xbc.de/",
                                      "http://a..b/",
                                      "http://.a/",
                                      "http://a../",
                                      "http://./",
                                      "http://a%00b/",
                                      "http://a%2fb/",
                                      "http://a%40b/",
                                      "http://a%0d%0ab/",
                                      "http://a,b/",
                                      "http://a;b/",
                                      "http://a$b/",
                                      "http://a\x7f/",
                                      "http://a{b}/",
                                      "http://a|b/",
                                      "http://a^/"};
    char got[400];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (!read_as(NULL, bad[i], got)) {
            fprintf(stderr, "%s: %s\n", bad[i], got);
            CHECK(0);
        }
}

TEST(test_fetch_url_is_relative_to_another_and_has_a_length)
{
    char got[400], longer[400];

    CHECK(!read_as("http://a:81/b/c?d", "../e", got) && !strcmp(got, "http://a:81/e a 81 0"));
    CHECK(!read_as("https://a/b", "//c/d", got) && !strcmp(got, "https://c/d c 443 1"));
    CHECK(!read_as("https://a/b", "http://c", got) && !strcmp(got, "http://c/ c 80 0"));
    CHECK(read_as("https://a/b", "ftp://c", got) != NULL);
    memset(longer, 'x', sizeof(longer));
    memcpy(longer, "http://a/", 9);
    longer[399] = '\0';
    CHECK(read_as(NULL, longer, got) != NULL);
}

static const char *nobody(struct gw_fetch *f, const struct sockaddr *to)
{
    (void)f;
    (void)to;
    return "nobody is asked";
}

/* Each by a name of its own, so that no connection is used again. */
static void ask_by_name(struct one *o, struct gw_loop *l, const char *name)
{
    char url[100];
    const int before = o->done;

    snprintf(url, sizeof(url), "http://%s%s", name, strrchr(http_server(), ':'));
    o->f.url = url;
    start(o);
    while (o->done == before)
        gw_loop_turn(l, 1);
}

TEST(test_fetch_refuses_addresses_from_the_start_that_says_so_to_the_one_that_does_not)
{
    struct gw_loop *l = gw_loop_new();
    struct gw_fetcher *fetcher = gw_fetcher_new(l, &conf);
    struct one o;

    http_server_decide = remember;
    init(&o, fetcher, "GET", NULL);
    setenv("no_proxy", "*", 1);
    ask_by_name(&o, l, "127.0.0.1");
    CHECK(o.f.status == 200);
    o.f.refuse = nobody;
    ask_by_name(&o, l, "127.0.0.2");
    CHECK(!o.f.status && !strcmp(o.f.why, "nobody is asked"));
    o.f.refuse = NULL;
    ask_by_name(&o, l, "localhost");
    CHECK(o.f.status == 200);
    gw_fetch_fini(&o.f);
    gw_fetcher_free(fetcher);
    gw_loop_free(l);
    http_server_decide = NULL;
}
