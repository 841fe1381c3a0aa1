#include "cmd/cmd.h"

#include "admin/admin.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/metrics.h"
#include "base/problems.h"
#include "cmd/load.h"
#include "cmd/option.h"
#include "cmd/ready.h"
#include "cmd/reload.h"
#include "cmd/roster.h"
#include "config/config.h"
#include "ingest/ingest.h"
#include "log/log.h"
#include "net/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* The gateway's life, on the control thread: everything is started in the order of the data's way
 * back (log, pipelines, ingest, admin), so that nothing is taken before it can be kept; and stopped
 * in the order of its way: ingest, pipelines, log. Who comes meanwhile is told so by the ingest,
 * which goes on refusing until the pipelines have ended. Waiting for threads happens aside, so that
 * the control loop goes on with signals and admin. A second signal ends the process at once, which
 * loses nothing that was acknowledged. */

enum { GRACE_MS = 2000 };

struct run {
    struct gw_generation *first; /* held: ingest, admin and log live from it */
    const struct gw_config *config;
    const char *path;
    struct gw_loop *loop;
    struct gw_metrics *metrics;
    struct gw_log *log;
    struct gw_roster roster;
    struct gw_reloader reloader;
    struct gw_ingest *ingest;
    struct gw_admin *admin;
    struct gw_signal on_term, on_int, on_hup;
    /* a log that can keep nothing more */
    atomic_flag failed_once;
    struct gw_mail failed;
    struct gw_err failure;
    /* stopping */
    int stopping, status;
    int ingest_quiet; /* nothing more is taken */
    int quiet;        /* no reload stops or starts a pipeline */
    int64_t deadline_ms;
    struct gw_timer overdue;
    pthread_t waiter;
    struct gw_mail waited;
};

/* ---- stopping ---- */

static void wait_aside(struct run *r, void *(*wait)(void *), void (*then)(struct gw_mail *))
{
    r->waited.fn = then;
    if (pthread_create(&r->waiter, NULL, wait, r)) {
        GW_DIAG(GW_ERROR, "run", gw_msg("cannot start a thread"));
        _exit(1);
    }
}

static void *join_pipelines(void *arg)
{
    struct run *r = arg;

    gw_roster_join(&r->roster);
    gw_loop_post_mail(r->loop, &r->waited);
    return NULL;
}

static void on_pipelines_done(struct gw_mail *m)
{
    struct run *r = GW_CONTAINER(m, struct run, waited);

    pthread_join(r->waiter, NULL);
    gw_loop_stop(r->loop);
}

/* The pipelines have ended their deliveries; what is not told to the log by now is done again. */
static void on_overdue(struct gw_timer *t)
{
    gw_log_hurry(GW_CONTAINER(t, struct run, overdue)->log);
}

static void *await_ingest(void *arg)
{
    struct run *r = arg;

    gw_ingest_quiet(r->ingest);
    gw_loop_post_mail(r->loop, &r->waited);
    return NULL;
}

/* A reload may have started one more. */
static void join_when_quiet(struct run *r)
{
    if (!r->ingest_quiet || !r->quiet)
        return;
    gw_roster_stop(&r->roster, r->deadline_ms);
    wait_aside(r, join_pipelines, on_pipelines_done);
}

static void on_quiet(void *ctx)
{
    struct run *r = ctx;

    r->quiet = 1;
    join_when_quiet(r);
}

static void on_ingest_quiet(struct gw_mail *m)
{
    struct run *r = GW_CONTAINER(m, struct run, waited);

    pthread_join(r->waiter, NULL);
    r->ingest_quiet = 1;
    if (r->admin)
        gw_admin_detach(r->admin);
    gw_roster_stop(&r->roster, r->deadline_ms);
    gw_timer_set(&r->overdue, r->deadline_ms + GRACE_MS - gw_mono_ms());
    join_when_quiet(r);
}

/* Clients get half the time at most, so that deliveries under way have the rest. */
static void stop(struct run *r, int status, int64_t timeout_ms)
{
    int64_t now = gw_mono_ms();

    r->stopping = 1;
    r->status = status;
    r->deadline_ms = now + timeout_ms;
    gw_notify("STOPPING=1");
    if (r->admin)
        gw_admin_stop(r->admin);
    gw_ingest_stop(r->ingest, now + timeout_ms / 2);
    wait_aside(r, await_ingest, on_ingest_quiet);
    gw_reloader_stop(&r->reloader, on_quiet, r);
}

static void stop_by_signal(struct run *r, int signo)
{
    const char *name = signo == SIGTERM ? "SIGTERM" : "SIGINT";

    if (r->stopping) {
        GW_DIAG(GW_WARN, "run", gw_msg("stopped at once by a second signal"),
                gw_kv_cstr("signal", name));
        _exit(1);
    }
    GW_DIAG(GW_INFO, "run", gw_msg("stopping"), gw_kv_cstr("signal", name));
    stop(r, 0, r->roster.now->config->shutdown_timeout_ms);
}

static void on_sigterm(struct gw_signal *s, int signo)
{
    stop_by_signal(GW_CONTAINER(s, struct run, on_term), signo);
}

static void on_sigint(struct gw_signal *s, int signo)
{
    stop_by_signal(GW_CONTAINER(s, struct run, on_int), signo);
}

static void on_sighup(struct gw_signal *s, int signo)
{
    struct run *r = GW_CONTAINER(s, struct run, on_hup);

    (void)signo;
    if (r->stopping)
        return;
    GW_DIAG(GW_INFO, "reload", gw_msg("reading the configuration again"),
            gw_kv_cstr("signal", "SIGHUP"));
    gw_reload_want(&r->reloader, NULL);
}

/* While no loop runs. One that comes at the start is obeyed when all is there; the second that asks
 * for an end gets it at once. */
static volatile sig_atomic_t early, early_hup;

static void on_early_signal(int signo)
{
    if (signo == SIGHUP) {
        early_hup = 1;
        return;
    }
    if (early)
        _exit(1);
    early = signo;
}

static void watch_early(void)
{
    const struct sigaction action = {.sa_handler = on_early_signal, .sa_flags = SA_RESTART};

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

/* From here on the loop has them. */
static void watch_signals(struct run *r)
{
    gw_signal_init(&r->on_term, r->loop, SIGTERM, on_sigterm);
    gw_signal_init(&r->on_int, r->loop, SIGINT, on_sigint);
    gw_signal_init(&r->on_hup, r->loop, SIGHUP, on_sighup);
}

static void unwatch_signals(struct run *r)
{
    early = SIGTERM;
    gw_signal_fini(&r->on_term);
    gw_signal_fini(&r->on_int);
    gw_signal_fini(&r->on_hup);
}

/* ---- a log that failed ---- */

static void on_log_failed(struct gw_mail *m)
{
    struct run *r = GW_CONTAINER(m, struct run, failed);

    GW_DIAG(GW_ERROR, "run", gw_msg("the log can keep nothing more, stopping"),
            gw_kv_cstr("error", r->failure.msg));
    r->status = 1;
    if (!r->stopping)
        stop(r, 1, GRACE_MS);
}

/* On a writer's thread. */
static void log_failed(void *ctx, const struct gw_err *why)
{
    struct run *r = ctx;

    if (atomic_flag_test_and_set(&r->failed_once))
        return;
    r->failure = *why;
    gw_loop_post_mail(r->loop, &r->failed);
}

/* ---- starting ---- */

static int fail(const struct gw_err *err)
{
    GW_DIAG(GW_ERROR, "run", gw_msg(err->msg));
    return 1;
}

static struct gw_config *load(const char *path)
{
    struct gw_problems p = {.mem = gw_arena_new()};
    struct gw_config *c = gw_config_load(path, &p);

    gw_log_problems(&p);
    if (c)
        gw_log_sections(c);
    else
        gw_arena_free(p.mem);
    return c;
}

static void raise_file_limit(void)
{
    struct rlimit lim;

    if (!getrlimit(RLIMIT_NOFILE, &lim) && lim.rlim_cur < lim.rlim_max) {
        lim.rlim_cur = lim.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &lim);
    }
}

/* Memory holds the credentials of what is published to, and what was published. */
static void dump_no_core(void)
{
    struct rlimit lim;

    if (getrlimit(RLIMIT_CORE, &lim))
        return;
    lim.rlim_cur = 0; /* who debugs can raise it again: prlimit --core */
    (void)setrlimit(RLIMIT_CORE, &lim);
}

static void want_reload(void *ctx, struct gw_reload *wish)
{
    struct run *r = ctx;

    gw_reload_want(&r->reloader, wish);
}

static void files_grown(void *ctx)
{
    struct run *r = ctx;

    gw_reloader_grown(&r->reloader);
}

static int start_pipelines(struct run *r, struct gw_err *err)
{
    r->roster = (struct gw_roster){.log = r->log,
                                   .metrics = r->metrics,
                                   .reload = want_reload,
                                   .grown = files_grown,
                                   .ctx = r};
    r->roster.now = gw_generation_hold(r->first);
    gw_reloader_init(&r->reloader, &r->roster, r->loop, r->path);
    if (gw_roster_start(&r->roster, err))
        return -1;
    gw_config_note_owners(r->config);
    return 0;
}

static int start_admin(struct run *r, struct gw_err *err)
{
    const struct gw_admin_env env = {r->log, r->metrics, &gw_roster_control, &r->roster,
                                     r->config->ingest};

    if (!strcmp(r->config->admin.listen, "none"))
        return 0;
    r->admin = gw_admin_open(&r->config->admin, &env, r->loop, err);
    return r->admin ? 0 : -1;
}

static int start(struct run *r, struct gw_err *err)
{
    r->log = gw_log_open(&r->config->log, r->metrics, log_failed, r, err);
    if (!r->log || start_pipelines(r, err))
        return -1;
    r->ingest = gw_ingest_start(r->config->ingest, r->log, r->metrics, err);
    if (!r->ingest || start_admin(r, err))
        return -1;
    return gw_log_announce(r->log, r->admin ? gw_admin_address(r->admin) : "", err);
}

static int say_ready(struct run *r, const char *ready_file, struct gw_err *err)
{
    if (r->admin)
        gw_admin_set_ready(r->admin);
    GW_DIAG(GW_INFO, "run", gw_msg("ready"), gw_kv_int("pid", getpid()));
    if (ready_file && gw_ready_file(ready_file, gw_ingest_grpc_address(r->ingest),
                                    gw_ingest_http_address(r->ingest),
                                    r->admin ? gw_admin_address(r->admin) : NULL, err))
        return -1;
    gw_notify("READY=1");
    return 0;
}

static int serve(struct run *r, const char *ready_file, struct gw_err *err)
{
    watch_signals(r);
    if (early)
        stop_by_signal(r, early);
    else if (say_ready(r, ready_file, err))
        return -1;
    if (early_hup && !early)
        gw_reload_want(&r->reloader, NULL);
    gw_reloader_watch(&r->reloader, r->ingest);
    gw_loop_run(r->loop);
    unwatch_signals(r);
    return 0;
}

/* What a start that failed has left, and what is left after a stop. */
static void clean_up(struct run *r)
{
    if (r->ingest)
        gw_ingest_stop(r->ingest, 0);
    gw_reloader_stop(&r->reloader, NULL, NULL);
    gw_reloader_fini(&r->reloader);
    if (r->ingest)
        gw_ingest_join(r->ingest);
    gw_reloader_let_go(&r->reloader);
    gw_roster_stop(&r->roster, 0);
    gw_roster_join(&r->roster);
    gw_admin_close(r->admin);
    if (r->log)
        gw_log_close(r->log);
    gw_roster_fini(&r->roster);
    gw_generation_drop(r->first);
    gw_timer_fini(&r->overdue);
    unwatch_signals(r);
    gw_loop_free(r->loop);
    gw_metrics_free(r->metrics);
}

static int run(struct gw_config *config, const char *path, const char *ready_file)
{
    struct run r = {.first = gw_generation_hold(gw_generation_new(config)),
                    .config = config,
                    .path = path,
                    .failed_once = ATOMIC_FLAG_INIT,
                    .failed.fn = on_log_failed};
    struct gw_err err;

    raise_file_limit();
    dump_no_core();
    r.loop = gw_loop_new();
    r.metrics = gw_metrics_new();
    gw_timer_init(&r.overdue, r.loop, on_overdue);
    if (start(&r, &err) || serve(&r, ready_file, &err))
        r.status = fail(&err);
    clean_up(&r);
    if (r.status == 0)
        GW_DIAG(GW_INFO, "run", gw_msg("stopped"));
    return r.status;
}

int gw_cmd_run(int argc, char **argv)
{
    const char *file = NULL, *ready_file = NULL;
    const struct gw_option options[] = {
        {"config", 'c', GW_OPT_STR, &file, "FILE",
         "the configuration; without it the built-in defaults", 0, 0},
        {"ready-file", 0, GW_OPT_STR, &ready_file, "FILE",
         "appears when everything listens: pid and addresses as JSON", 0, 0},
        {0}};
    const struct gw_usage usage = {
        .command = "run",
        .line = "moongate run [-c FILE] [--ready-file FILE]",
        .about =
            "Runs the gateway until SIGTERM or SIGINT. Without -c: on 127.0.0.1 gRPC on "
            "8089,\nHTTP on 8088, admin on 9090, and one pipeline that writes to standard output.",
        .options = options,
    };
    struct gw_config *config;
    int n_args, rc = gw_options(&usage, argc, argv, &n_args);

    if (rc != GW_OPTIONS_OK)
        return rc;
    watch_early();
    if (ready_file)
        (void)unlink(ready_file);
    config = load(file);
    return config ? run(config, file, ready_file) : 1;
}
