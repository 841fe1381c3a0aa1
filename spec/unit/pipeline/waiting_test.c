/* A pipeline whose hooks wait for a server of the test's own. */
#include "http_server.h"
#include "pipeline/rig.h"

#define P                                                                                          \
    "name: p\nstart: retained\nhooks: [wait.lua]\npublisher: {type: file, path: out}\n"            \
    "hook_limits: {allow_hosts: ['127.0.0.1'], timeout: 30s}\n"

static int asked, open_gate; /* under the server's lock */
static pthread_cond_t gate = PTHREAD_COND_INITIALIZER;

/* Answers once the gate is open. */
static const char *at_gate(const char *head, const char *body)
{
    (void)head;
    (void)body;
    asked++;
    while (!open_gate)
        pthread_cond_wait(&gate, &http_server_lock);
    return HTTP_SERVER_OK;
}

static int n_asked(void)
{
    int n;

    pthread_mutex_lock(&http_server_lock);
    n = asked;
    pthread_mutex_unlock(&http_server_lock);
    return n;
}

static void open_the_gate(void)
{
    pthread_mutex_lock(&http_server_lock);
    open_gate = 1;
    pthread_cond_broadcast(&gate);
    pthread_mutex_unlock(&http_server_lock);
}

/* Events of key k0 (even numbers) wait, others do not. */
static void begin(int log)
{
    char script[300];

    http_server_decide = at_gate;
    snprintf(script, sizeof(script),
             "return function(e) if tonumber(e.id) %% 2 == 0 then "
             "assert(moongate.http.get('%s')) end end",
             http_server());
    rig_begin(log);
    rig_script("wait.lua", script);
}

TEST(test_pipeline_waiting_hooks_hold_back_their_key_only)
{
    int ids[20];

    begin(GW_LOG_MEMORY);
    rig_run(P);
    rig_events(0, 10, 2);
    UNTIL(rig_stats().published == 5 && n_asked() == 1);
    CHECK(rig_ids("out", ids, 20) == 5 && ids[0] == 1 && ids[4] == 9 && rig_stats().lag == 5);
    open_the_gate();
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_ids("out", ids, 20) == 10);
    for (int i = 5; i < 10; i++)
        CHECK(ids[i] == 2 * (i - 5));
    rig_end();
}

/* The stop's deadline lets them go; another start runs them again, in order. */
TEST(test_pipeline_stop_while_hooks_wait_keeps_their_records)
{
    int ids[20];

    begin(GW_LOG_MEMORY);
    rig_run(P);
    rig_events(0, 10, 2);
    UNTIL(rig_stats().published == 5 && n_asked() == 1);
    rig_stop(0);
    open_the_gate();
    rig_run(P);
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_stats().published == 10 && rig_ids("out", ids, 20) == 10);
    for (int i = 5; i < 10; i++)
        CHECK(ids[i] == 2 * (i - 5));
    rig_end();
}

/* The worker's loop still turns for the last settle when the answers come; there is no publisher
 * any more. */
TEST(test_pipeline_answers_that_come_after_the_publisher_is_closed)
{
    begin(GW_LOG_EMBEDDED); /* which takes its time for a settle */
    for (int round = 0; round < 5; round++) {
        pthread_mutex_lock(&http_server_lock);
        open_gate = asked = 0;
        pthread_mutex_unlock(&http_server_lock);
        rig_run(P "order_by: none\n");
        rig_events(2 * round, 2 * round + 2, 2);
        UNTIL(n_asked() >= 1);
        gw_pipeline_stop(rig.pipeline, 0);
        open_the_gate();
        gw_pipeline_join(rig.pipeline);
        rig.pipeline = NULL;
    }
    rig_run(P);
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_stats().published == 10);
    rig_end();
}

/* While there is time, what waits is waited for and published. */
TEST(test_pipeline_stop_gives_waiting_hooks_their_time)
{
    int ids[20];

    begin(GW_LOG_MEMORY);
    rig_run(P "order_by: none\n");
    rig_events(0, 6, 2);
    UNTIL(n_asked() == 3);
    gw_pipeline_stop(rig.pipeline, INT64_MAX);
    open_the_gate();
    gw_pipeline_join(rig.pipeline);
    rig.pipeline = NULL;
    CHECK(rig_ids("out", ids, 20) == 6);
    rig_end();
}

TEST(test_pipeline_hooks_that_wait_too_long_never_stop_it)
{
    begin(GW_LOG_MEMORY);
    rig_run("name: p\nstart: retained\nhooks: [wait.lua]\npublisher: {type: file, path: out}\n"
            "hook_limits: {allow_hosts: ['127.0.0.1'], timeout: 20ms}\n");
    rig_events(0, 20, 2);
    UNTIL(rig_stats().lag == 0);
    CHECK(rig_stats().dead_lettered == 10 && rig_stats().published == 10 && rig_up());
    CHECK(rig_metric(GW_M_EVENTS_DEAD_LETTERED, "hook_timeout") == 10);
    open_the_gate();
    rig_end();
}
