/* The thread that publishes to NATS: jobs in, news out (nats_client.h has the invariants). */
#include "publish/nats_client.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    FLUSH_MS = 10000,
    POLL_MS = 100,       /* how soon a connection that breaks is noticed while acks are awaited */
    CLOSE_MS = 50,       /* how long a close waits for the thread */
    EXIT_MS = 3000,      /* how long the process waits for what a close did not wait for */
    FORBIDDEN_MS = 60000 /* how long a subject that was refused is not tried: retry.max, twice */
};

/* ---- threads that a close did not wait for ---- */

static pthread_mutex_t left_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t left_changed = PTHREAD_COND_INITIALIZER;
static pthread_once_t exit_once = PTHREAD_ONCE_INIT;
static unsigned left;

/* One in the middle of a TLS handshake must not meet an OpenSSL that is cleaned up; others may end
 * with the process. */
static void await_threads(void)
{
    const struct timespec end = gw_clock_after(CLOCK_REALTIME, EXIT_MS);

    pthread_mutex_lock(&left_lock);
    while (left && pthread_cond_timedwait(&left_changed, &left_lock, &end) != ETIMEDOUT)
        ;
    pthread_mutex_unlock(&left_lock);
}

static void at_exit(void)
{
    (void)OPENSSL_init_crypto(0, NULL); /* its own is registered before, so runs after */
    (void)atexit(await_threads);
}

static void count_left(int by)
{
    pthread_mutex_lock(&left_lock);
    left += (unsigned)by;
    pthread_cond_signal(&left_changed);
    pthread_mutex_unlock(&left_lock);
}

/* ---- news ---- */

void gw_nats_say(struct gw_nats_client *c, const struct gw_nats_news *what, struct gw_str text)
{
    static const uint64_t one = 1;
    struct gw_nats_news *n = malloc(sizeof(*n) + text.len + 1);

    if (!n)
        abort();
    *n = *what;
    n->next = NULL;
    n->len = text.len;
    if (text.len)
        memcpy(n->text, text.p, text.len);
    n->text[text.len] = '\0';
    pthread_mutex_lock(&c->lock);
    *c->last = n;
    c->last = &n->next;
    pthread_mutex_unlock(&c->lock);
    if (write(c->wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
        abort();
}

struct gw_nats_news *gw_nats_client_hear(struct gw_nats_client *c)
{
    struct gw_nats_news *all;
    uint64_t count;

    if (read(c->wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        abort();
    pthread_mutex_lock(&c->lock);
    all = c->news;
    c->news = NULL;
    c->last = &c->news;
    pthread_mutex_unlock(&c->lock);
    return all;
}

static void tell(struct gw_nats_client *c, uint64_t job, long item, enum gw_outcome outcome,
                 const char *why)
{
    gw_nats_say(
        c,
        &(struct gw_nats_news){.kind = GW_NATS_TOLD, .job = job, .item = item, .outcome = outcome},
        gw_str_of(why));
}

/* The connection is gone, and with it every job that was given so far. */
static void lose(struct gw_nats_client *c, uint64_t up_to)
{
    gw_nats_disconnect(c);
    gw_nats_say(c, &(struct gw_nats_news){.kind = GW_NATS_LOST, .job = up_to}, gw_str_of(c->why));
}

/* ---- subjects that we may not publish to ---- */

static int is_forbidden(const struct gw_nats_client *c, const char *subject)
{
    const int64_t now = gw_mono_ms();

    for (unsigned i = 0; i < c->n_forbidden; i++)
        if (c->forbidden[i].until_ms > now && !strcmp(c->forbidden[i].subject, subject))
            return 1;
    return 0;
}

/* Its own, a new one, or that of the oldest: all are forbidden for as long. */
static struct gw_nats_forbidden *slot_of(struct gw_nats_client *c, const char *subject, size_t len)
{
    struct gw_nats_forbidden *oldest = &c->forbidden[0];

    for (unsigned i = 0; i < c->n_forbidden; i++) {
        struct gw_nats_forbidden *f = &c->forbidden[i];

        if (strlen(f->subject) == len && !memcmp(f->subject, subject, len))
            return f;
        if (f->until_ms < oldest->until_ms)
            oldest = f;
    }
    if (c->n_forbidden < sizeof(c->forbidden) / sizeof(c->forbidden[0]))
        return &c->forbidden[c->n_forbidden++];
    return oldest;
}

/* 'Permissions Violation for Publish to "a.b"' */
static void forbid(struct gw_nats_client *c, const char *said)
{
    const char *from = strchr(said, '"'), *end = from ? strchr(from + 1, '"') : NULL;
    struct gw_nats_forbidden *f;

    if (!end)
        return;
    f = slot_of(c, from + 1, (size_t)(end - from) - 1);
    free(f->subject);
    f->subject = strndup(from + 1, (size_t)(end - from) - 1);
    f->until_ms = gw_mono_ms() + FORBIDDEN_MS;
    if (!f->subject)
        abort();
}

/* ---- publishing ---- */

/* Not published because of item: nothing of its key behind it in the job may overtake it. */
static int is_held(const struct gw_nats_job *job, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (!job->items[k].msg && job->items[k].order == job->items[i].order)
            return 1;
    return 0;
}

static void forget_item(struct gw_nats_job *job, size_t i)
{
    natsMsg_Destroy(job->items[i].msg);
    job->items[i].msg = NULL;
}

/* 1: the item has been told about and is not for the wire. */
static int refuse_item(struct gw_nats_client *c, struct gw_nats_job *job, size_t i, int held)
{
    const struct gw_nats_item *item = &job->items[i];
    const char *subject = natsMsg_GetSubject(item->msg);
    const int64_t max = natsConnection_GetMaxPayload(c->nc);
    char why[256];

    if (max > 0 && item->bytes > (size_t)max) {
        snprintf(why, sizeof(why), "%zu bytes, the server takes %lld (max_payload)", item->bytes,
                 (long long)max);
        tell(c, job->id, (long)(job->first + i), GW_TOO_LARGE, why);
        return 1;
    }
    if (!is_forbidden(c, subject) && !(held && is_held(job, i)))
        return 0;
    snprintf(why, sizeof(why), "the server does not let us publish to %.150s: see its permissions",
             subject);
    tell(c, job->id, (long)(job->first + i), GW_TRY_AGAIN, why);
    forget_item(job, i);
    return 1;
}

static natsStatus publish_job(struct gw_nats_client *c, struct gw_nats_job *job)
{
    int held = 0;

    for (size_t i = 0; i < job->n; i++) {
        natsStatus s;

        if (refuse_item(c, job, i, held)) {
            held |= !job->items[i].msg;
            continue;
        }
        s = natsConnection_PublishMsg(c->nc, job->items[i].msg);
        if (s != NATS_OK)
            return s;
    }
    return NATS_OK;
}

/* All that was published has reached the server; -1: that is not known. */
int gw_nats_flush(struct gw_nats_client *c, natsStatus *s)
{
    const char *said = NULL;

    pthread_mutex_lock(&c->lock);
    c->flushing = atomic_load(&c->closing) ? NULL : c->nc;
    pthread_mutex_unlock(&c->lock);
    *s = natsConnection_FlushTimeout(c->nc, c->flushing ? FLUSH_MS : 1);
    pthread_mutex_lock(&c->lock);
    c->flushing = NULL;
    pthread_mutex_unlock(&c->lock);
    if (*s == NATS_OK) /* a refusal comes before the answer to the flush */
        *s = natsConnection_GetLastError(c->nc, &said) == NATS_NOT_PERMITTED ? NATS_NOT_PERMITTED
                                                                             : NATS_OK;
    if (*s == NATS_OK)
        return 0;
    if (*s != NATS_NOT_PERMITTED)
        (void)natsConnection_GetLastError(c->nc, &said);
    else if (said)
        forbid(c, said);
    gw_nats_explain(c, *s, said);
    return -1;
}

static void end_job(struct gw_nats_client *c, const struct gw_nats_job *job)
{
    if (c->conf.jetstream)
        gw_nats_say(c, &(struct gw_nats_news){.kind = GW_NATS_SENT, .job = job->id}, GW_STR(""));
    else
        tell(c, job->id, -1, GW_DELIVERED, "");
}

/* All jobs of the list, with one flush. */
static void publish_all(struct gw_nats_client *c, struct gw_mail *list, uint64_t up_to)
{
    natsStatus s = NATS_OK;

    if (!c->nc && gw_nats_connect(c)) {
        lose(c, up_to);
        return;
    }
    c->last_job = up_to;
    for (struct gw_mail *m = list; m && s == NATS_OK; m = m->next)
        s = publish_job(c, (struct gw_nats_job *)m);
    if (s != NATS_OK) {
        gw_nats_explain(c, s, NULL);
        lose(c, up_to);
        return;
    }
    if (gw_nats_flush(c, &s)) {
        lose(c, up_to);
        return;
    }
    for (struct gw_mail *m = list; m; m = m->next)
        end_job(c, (struct gw_nats_job *)m);
}

/* ---- the thread ---- */

static void look_at_connection(struct gw_nats_client *c)
{
    const char *said = NULL;

    if (!c->nc || !natsConnection_IsClosed(c->nc))
        return;
    (void)natsConnection_GetLastError(c->nc, &said);
    gw_nats_explain(c, NATS_CONNECTION_CLOSED, said);
    lose(c, c->last_job);
}

static void answer_online(struct gw_nats_client *c, const struct gw_nats_job *job)
{
    enum gw_online_answer answer = GW_ONLINE_NO;
    char text[2600];

    if (!c->nc && gw_nats_connect(c))
        snprintf(text, sizeof(text), "%s", c->why);
    else
        answer = gw_nats_ask(c, text, sizeof(text));
    gw_nats_say(c, &(struct gw_nats_news){.kind = GW_NATS_ONLINE, .job = job->id, .item = answer},
                gw_str_of(text));
}

void gw_nats_job_free(struct gw_nats_job *job)
{
    for (size_t i = 0; i < job->n; i++)
        natsMsg_Destroy(job->items[i].msg);
    free(job);
}

static void serve(struct gw_nats_client *c, struct gw_mail *list)
{
    const struct gw_nats_job *first = (const struct gw_nats_job *)list;
    uint64_t last = c->last_job; /* what more there is of an earlier job comes behind later ones */

    look_at_connection(c);
    for (const struct gw_mail *m = list; m; m = m->next)
        if (((const struct gw_nats_job *)m)->id > last)
            last = ((const struct gw_nats_job *)m)->id;
    if (!list || atomic_load(&c->closing))
        ;
    else if (first->online)
        answer_online(c, first);
    else
        publish_all(c, list, last);
    while (list) {
        struct gw_nats_job *job = (struct gw_nats_job *)list;

        list = list->next;
        gw_nats_job_free(job);
    }
}

static void *run(void *arg)
{
    struct gw_nats_client *c = arg;
    int was_left;

    while (!atomic_load(&c->closing)) {
        const int awaits = c->nc && c->conf.jetstream && atomic_load(&c->unanswered);

        serve(c, gw_mailbox_take(&c->box, awaits ? POLL_MS : -1));
    }
    gw_nats_disconnect(c);
    nats_ReleaseThreadMemory();
    pthread_mutex_lock(&c->lock);
    c->ended = 1;
    pthread_cond_signal(&c->changed);
    was_left = c->left;
    pthread_mutex_unlock(&c->lock);
    gw_nats_release(c);
    if (was_left)
        count_left(-1);
    return NULL;
}

/* ---- life ---- */

static char *copy(struct gw_arena *mem, const char *text)
{
    return text ? gw_arena_strndup(mem, text, strlen(text)) : NULL;
}

static void copy_conf(struct gw_nats_client *c, const struct gw_publish_nats_conf *conf)
{
    struct gw_tls_conf *tls;

    c->conf = (struct gw_publish_nats_conf){.servers = {.n = conf->servers.n},
                                            .subject = copy(c->mem, conf->subject),
                                            .jetstream = conf->jetstream,
                                            .username = copy(c->mem, conf->username),
                                            .password = copy(c->mem, conf->password),
                                            .token = copy(c->mem, conf->token),
                                            .nkey_file = copy(c->mem, conf->nkey_file),
                                            .creds_file = copy(c->mem, conf->creds_file)};
    c->conf.servers.items =
        gw_arena_zalloc(c->mem, (conf->servers.n + 1) * sizeof(*c->conf.servers.items));
    for (size_t i = 0; i < conf->servers.n; i++)
        c->conf.servers.items[i] = copy(c->mem, conf->servers.items[i]);
    if (!conf->tls)
        return;
    tls = gw_arena_alloc(c->mem, sizeof(*tls));
    *tls = (struct gw_tls_conf){.ca = copy(c->mem, conf->tls->ca),
                                .cert = copy(c->mem, conf->tls->cert),
                                .key = copy(c->mem, conf->tls->key),
                                .verify = conf->tls->verify};
    c->conf.tls = tls;
}

static void wipe(const char *secret)
{
    if (secret)
        OPENSSL_cleanse((char *)secret, strlen(secret));
}

static void free_client(struct gw_nats_client *c)
{
    struct gw_nats_news *n;

    serve(c, gw_mailbox_take(&c->box, 0));
    while ((n = c->news)) {
        c->news = n->next;
        free(n);
    }
    for (unsigned i = 0; i < c->n_forbidden; i++)
        free(c->forbidden[i].subject);
    wipe(c->conf.password);
    wipe(c->conf.token);
    gw_arena_free(c->mem);
    gw_mailbox_fini(&c->box);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    close(c->wake_fd);
    free(c);
}

void gw_nats_release(struct gw_nats_client *c)
{
    if (atomic_fetch_sub(&c->refs, 1) == 1)
        free_client(c);
}

static int begin(struct gw_nats_client *c, struct gw_err *err)
{
    unsigned char random[16];
    int n, rc;

    if (RAND_bytes(random, sizeof(random)) != 1)
        return gw_err_set(err, GW_ERR_RETRY, "no random bytes");
    n = snprintf(c->inbox, sizeof(c->inbox), "_INBOX.");
    for (size_t i = 0; i < sizeof(random); i++)
        n += snprintf(c->inbox + n, sizeof(c->inbox) - (size_t)n, "%02x", random[i]);
    if (nats_Open(-1) != NATS_OK)
        return gw_err_set(err, GW_ERR_RETRY, "nats.c does not start");
    rc = pthread_create(&c->thread, NULL, run, c);
    if (!rc)
        return 0;
    errno = rc;
    return gw_err_errno(err, GW_ERR_RETRY, "thread");
}

struct gw_nats_client *gw_nats_client_new(const struct gw_publish_nats_conf *conf,
                                          struct gw_err *err)
{
    struct gw_nats_client *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    pthread_once(&exit_once, at_exit);
    c->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (c->wake_fd < 0) {
        free(c);
        gw_err_errno(err, GW_ERR_RETRY, "eventfd");
        return NULL;
    }
    atomic_store(&c->refs, 2);
    c->last = &c->news;
    gw_mailbox_init(&c->box);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    c->mem = gw_arena_new();
    copy_conf(c, conf);
    if (!begin(c, err))
        return c;
    free_client(c);
    return NULL;
}

void gw_nats_client_give(struct gw_nats_client *c, struct gw_nats_job *job)
{
    gw_mailbox_post(&c->box, &job->mail);
}

void gw_nats_client_close(struct gw_nats_client *c)
{
    const struct timespec end = gw_clock_after(CLOCK_REALTIME, CLOSE_MS);
    int ended;

    atomic_store(&c->closing, 1);
    gw_mailbox_close(&c->box);
    pthread_mutex_lock(&c->lock);
    if (c->flushing)
        natsConnection_Close(c->flushing);
    while (!c->ended && pthread_cond_timedwait(&c->changed, &c->lock, &end) != ETIMEDOUT)
        ;
    ended = c->ended;
    c->left = !ended && gw_nats_is_secure(&c->conf);
    if (c->left)
        count_left(1);
    pthread_mutex_unlock(&c->lock);
    if (ended)
        pthread_join(c->thread, NULL);
    else
        pthread_detach(c->thread);
    gw_nats_release(c);
}
