/* A queue of SQS as a source against a server in this process: what it is asked when messages have
 * to wait, when deleting fails in part, and how much one answer may hold. */
#include "event/format.h"
#include "http_server.h"
#include "ingest/sqs.h"
#include "world.h"

enum { BODY = 40000, HANDLES = 400, CALLS = 64 };

/* What the server gives in turn: so many messages of one size each time; then it says nothing, as
 * in a long poll. Under its lock, as all that came. */
static struct {
    int n, size;
} gives[8];
static int n_given, n_receives;
static char extended[CALLS][HANDLES]; /* "r1,r2," of each call */
static int n_extended, n_deletes[4];  /* of a call; of each of the first messages */
static const char *delete_status, *extend_status;

static const char *http(const char *status, const char *body)
{
    static char *kept;

    free(kept);
    CHECK(asprintf(&kept, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(body),
                   body) > 0);
    return kept;
}

#define QUOTES "\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\""

/* Events with a filler, or (size 0) a MiB of quotes, which are no event. */
static void put_message(struct gw_buf *out, int size)
{
    gw_buf_printf(out, "{\"ReceiptHandle\":\"r%d\",\"Body\":\"", n_given++);
    if (size)
        gw_buf_printf(out,
                      "{\\\"specversion\\\":\\\"1.0\\\",\\\"id\\\":\\\"%d\\\",\\\"source\\\":\\\"/"
                      "s\\\",\\\"type\\\":\\\"t\\\",\\\"data\\\":\\\"%0*d\\\"}",
                      n_given, size, 0);
    for (int i = 0; !size && i < 1 << 15; i++) /* 32 of them, escaped */
        gw_buf_puts(out, QUOTES QUOTES QUOTES QUOTES);
    gw_buf_puts(out, "\"}");
}

static const char *give(void)
{
    const char *answer;
    struct gw_buf b;

    if (n_receives == 8 || !gives[n_receives].n)
        return NULL;
    gw_buf_init(&b, 64 << 20, NULL);
    gw_buf_puts(&b, "{\"Messages\":[");
    for (int i = 0; i < gives[n_receives].n; i++) {
        gw_buf_puts(&b, i ? "," : "");
        put_message(&b, gives[n_receives].size);
    }
    n_receives++;
    gw_buf_puts(&b, "]}");
    gw_buf_putc(&b, '\0');
    answer = http("200 OK", b.p);
    gw_buf_free(&b);
    return answer;
}

static void note(char into[CALLS][HANDLES], int *n, const char *body)
{
    size_t len = 0;

    if (*n == CALLS) /* so many that the test sees it */
        return;
    for (const char *at = body; (at = strstr(at, "\"ReceiptHandle\":\""));) {
        at += strlen("\"ReceiptHandle\":\"");
        len += (size_t)snprintf(into[*n] + len, HANDLES - len, "%.*s,", (int)strcspn(at, "\""), at);
    }
    ++*n;
}

/* How often each was asked to be deleted; r1 never is, r2 is for a fault of ours, r3 the second
 * time. */
static const char *remove_some(const char *body)
{
    static const char *const say[4] = {"", ",\"SenderFault\":false", ",\"SenderFault\":true", ""};
    char failed[HANDLES] = "", answer[2 * HANDLES], handle[32];
    size_t len = 0;
    int id = 0;

    for (int i = 0; i < 4; i++) {
        const char *at;

        snprintf(handle, sizeof(handle), "\"ReceiptHandle\":\"r%d\"", i);
        if (!(at = strstr(body, handle)))
            continue;
        n_deletes[i]++;
        CHECK(sscanf(at - strlen("\"Id\":\"0\","), "\"Id\":\"%d\"", &id) == 1);
        if (i == 1 || i == 2 || (i == 3 && n_deletes[3] == 1))
            len +=
                (size_t)snprintf(failed + len, sizeof(failed) - len,
                                 "%s{\"Id\":\"%d\",\"Code\":\"X\"%s}", len ? "," : "", id, say[i]);
    }
    snprintf(answer, sizeof(answer), "{\"Failed\":[%s]}", failed);
    return http(delete_status, answer);
}

static const char *serve(const char *head, const char *body)
{
    if (strstr(head, "AmazonSQS.ReceiveMessage"))
        return give();
    if (strstr(head, "AmazonSQS.DeleteMessageBatch"))
        return remove_some(body);
    CHECK(strstr(head, "AmazonSQS.ChangeMessageVisibilityBatch"));
    CHECK(strstr(body, ",\"VisibilityTimeout\":60}"));
    note(extended, &n_extended, body);
    return http(extend_status, "{}");
}

static int seen(const int *n)
{
    int now;

    pthread_mutex_lock(&http_server_lock);
    now = *n;
    pthread_mutex_unlock(&http_server_lock);
    return now;
}

/* ---- life ---- */

struct rig {
    struct world w;
    struct gw_ingest_sqs conf;
    struct gw_sqs_in *in;
    int is_stopped;
};

static void rig_open(struct rig *r)
{
    struct gw_err err;

    memset(r, 0, sizeof(*r));
    setenv("AWS_ACCESS_KEY_ID", "A", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "S", 1);
    delete_status = extend_status = "200 OK";
    http_server_decide = serve;
    world_open(&r->w, &gw_grpc_handler);
    r->conf = (struct gw_ingest_sqs){
        .queue_url = "http://q/1/q", .region = "us-east-1", .endpoint = http_server()};
    r->in = (struct gw_sqs_in *)gw_source_sqs.open(&r->conf, &r->w.front, &err);
    gw_timer_cancel(&r->in->extend_timer);
}

static void on_stopped(void *ctx)
{
    ((struct rig *)ctx)->is_stopped = 1;
}

/* Without waiting for its time, which so never comes by itself. */
static void extend_now(struct rig *r)
{
    r->in->extend_timer.fn(&r->in->extend_timer);
    gw_timer_cancel(&r->in->extend_timer);
}

static void turn(struct rig *r)
{
    gw_loop_turn(r->w.front.loop, 1);
}

static void rig_close(struct rig *r)
{
    world_hold(0);
    gw_source_sqs.stop(&r->in->base, on_stopped, r);
    gw_source_sqs.hurry(&r->in->base);
    while (!r->is_stopped)
        turn(r);
    gw_source_sqs.close(&r->in->base);
    world_close(&r->w);
}

static size_t count(const struct gw_sqs_queue *q)
{
    size_t n = 0;

    for (const struct gw_sqs_message *m = q->first; m; m = m->next)
        n++;
    return n;
}

/* ---- the tests ---- */

TEST(test_sqs_messages_that_wait_are_kept_ours_all_of_them_every_20_s)
{
    struct rig r;

    gives[0].n = gives[1].n = gives[2].n = 10;
    gives[0].size = 10;
    gives[1].size = gives[2].size = BODY;
    gives[3].n = gives[4].n = 10;
    gives[3].size = gives[4].size = BODY;
    rig_open(&r);
    world_hold(1);
    while (r.in->under_way < 50)
        turn(&r);
    CHECK(count(&r.in->held) == 33 && !seen(&n_extended)); /* a quarter of a MiB is on its way */
    for (int round = 1; round <= 2; round++) {
        char all[4 * HANDLES];

        extend_now(&r);
        while (seen(&n_extended) < 4 * round || r.in->extend.fetch.running)
            turn(&r);
        CHECK(seen(&n_extended) == 4 * round);
        snprintf(all, sizeof(all), "%s%s%s%s", extended[4 * round - 4], extended[4 * round - 3],
                 extended[4 * round - 2], extended[4 * round - 1]);
        for (const struct gw_sqs_message *m = r.in->held.first; m; m = m->next) {
            const char *handle = strstr(m->text.p, "\"r") + 1;
            char want[8];

            snprintf(want, sizeof(want), "%.*s,", (int)strcspn(handle, "\""), handle);
            CHECK(strstr(all, want));
        }
    }
    world_hold(0);
    while (r.in->held.first || r.in->appending)
        turn(&r);
    rig_close(&r);
}

TEST(test_sqs_an_entry_that_is_not_deleted_goes_again_alone_and_not_for_ever)
{
    struct rig r;

    gives[0].n = 4;
    gives[0].size = 10;
    rig_open(&r);
    while (r.in->under_way || seen(&n_deletes[1]) < GW_SQS_DELETES) {
        if (r.in->pausing)
            r.in->again.fn(&r.in->again);
        turn(&r);
    }
    CHECK(n_deletes[0] == 1 && n_deletes[1] == GW_SQS_DELETES);
    CHECK(n_deletes[2] == 1 && n_deletes[3] == 2);
    rig_close(&r);
}

TEST(test_sqs_messages_that_cannot_be_deleted_are_kept_ours_and_if_not_it_is_told)
{
    struct rig r;

    gives[0].n = 3;
    gives[0].size = 10;
    rig_open(&r);
    delete_status = "403 Forbidden";
    while (count(&r.in->kept) < 3 || !r.in->stuck)
        turn(&r);
    CHECK(!r.in->quiet_extend.next_ms);
    extend_status = "403 Forbidden";
    extend_now(&r);
    while (!seen(&n_extended) || r.in->extend.fetch.running)
        turn(&r);
    CHECK(strstr(extended[0], "r0,") && strstr(extended[0], "r1,") && strstr(extended[0], "r2,"));
    CHECK(seen(&n_extended) == 1);
    CHECK(r.in->quiet_extend.next_ms);
    rig_close(&r);
}

TEST(test_sqs_ten_messages_of_the_largest_size_are_one_answer)
{
    struct rig r;

    gives[0].n = 10;
    rig_open(&r);
    while (world_rejected(&r.w, GW_SQS, GW_R_INVALID) < 10) {
        CHECK(!r.in->pausing); /* an answer that was not understood */
        turn(&r);
    }
    rig_close(&r);
}
