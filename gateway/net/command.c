#include "net/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEXT_MAX = 1 << 16 };

static void let_go(struct gw_command *c)
{
    gw_timer_cancel(&c->late);
    if (c->fd >= 0) {
        gw_watch_fini(&c->out);
        close(c->fd);
        c->fd = -1;
    }
    if (c->pidfd >= 0) {
        gw_watch_fini(&c->end);
        close(c->pidfd);
        c->pidfd = -1;
    }
}

/* With all that it started. */
static void kill_it(struct gw_command *c)
{
    if (c->pid < 0)
        return;
    kill(-c->pid, SIGKILL);
    while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    c->pid = -1;
}

static void on_late(struct gw_timer *t)
{
    struct gw_command *c = GW_CONTAINER(t, struct gw_command, late);
    char why[64];

    let_go(c);
    kill_it(c);
    (void)snprintf(why, sizeof(why), "it did not end within %lld s",
                   (long long)(c->timeout_ms / 1000));
    c->done(c, why);
}

static void finish(struct gw_command *c, int status)
{
    char why[64];

    if (WIFEXITED(status) && !WEXITSTATUS(status)) {
        c->done(c, c->text.failed ? "it printed more than 64 KiB" : NULL);
        return;
    }
    (void)snprintf(why, sizeof(why), "it ended with %s %d",
                   WIFEXITED(status) ? "exit code" : "signal",
                   WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    c->done(c, why);
}

static void on_end(struct gw_watch *w, int what)
{
    struct gw_command *c = GW_CONTAINER(w, struct gw_command, end);
    int status = 0;

    (void)what;
    kill(-c->pid, SIGKILL); /* what it left behind; before its number is free for others */
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
        ;
    c->pid = -1;
    let_go(c);
    finish(c, status);
}

/* Its end is waited for behind its output, which may be more than the pipe holds. */
static void on_output(struct gw_watch *w, int what)
{
    struct gw_command *c = GW_CONTAINER(w, struct gw_command, out);
    char bytes[4096];
    ssize_t n = read(c->fd, bytes, sizeof(bytes));

    (void)what;
    if (n > 0)
        gw_buf_put(&c->text, bytes, (size_t)n);
    if (n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)))
        return;
    gw_watch_want(&c->out, 0);
    gw_watch_want(&c->end, GW_READABLE);
}

static int spawn(struct gw_command *c, char *const *argv, char *const *env, int to)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    pid_t pid;
    int rc;

    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, to, 1);
    posix_spawnattr_init(&attr);
    sigemptyset(&none); /* a worker blocks every signal, and the process ignores some */
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                        POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attr, 0);
    rc = posix_spawnp(&pid, argv[0], &files, &attr, argv, env ? env : environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    c->pid = rc ? -1 : pid;
    return rc;
}

int gw_command_start(struct gw_command *c, char *const *argv, char *const *env, int64_t timeout_ms)
{
    int fds[2], rc;

    gw_buf_clear(&c->text);
    c->text.failed = 0;
    c->timeout_ms = timeout_ms;
    if (pipe2(fds, O_CLOEXEC))
        return errno;
    rc = spawn(c, argv, env, fds[1]);
    close(fds[1]);
    if (!rc && (c->pidfd = pidfd_open(c->pid, 0)) < 0)
        rc = errno;
    if (rc) {
        close(fds[0]);
        kill_it(c);
        return rc;
    }
    c->fd = fds[0];
    gw_watch_init(&c->out, c->loop, c->fd, on_output);
    gw_watch_init(&c->end, c->loop, c->pidfd, on_end);
    gw_watch_want(&c->out, GW_READABLE);
    gw_timer_set(&c->late, timeout_ms);
    return 0;
}

void gw_command_init(struct gw_command *c, struct gw_loop *loop)
{
    *c = (struct gw_command){.loop = loop, .fd = -1, .pidfd = -1, .pid = -1};
    gw_buf_init(&c->text, TEXT_MAX, NULL);
    gw_timer_init(&c->late, loop, on_late);
}

void gw_command_fini(struct gw_command *c)
{
    let_go(c);
    kill_it(c);
    gw_timer_fini(&c->late);
    if (c->text.p) /* what was secret does not stay in memory that is given back */
        explicit_bzero(c->text.p, c->text.cap);
    gw_buf_free(&c->text);
}
