/* credential_process: a command of the user's own configuration prints credentials. It is run by
 * the shell, as the SDKs do it; what it prints never gets into a log. */
#include "net/aws_ask.h"

#include "base/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESS_MS = 60000, PROCESS_TEXT = 1 << 16 };
static const char of[] = "credential_process";

static void let_go(struct gw_aws_process *p)
{
    gw_timer_cancel(&p->late);
    if (p->fd >= 0) {
        gw_watch_fini(&p->out);
        close(p->fd);
        p->fd = -1;
    }
    if (p->pidfd >= 0) {
        gw_watch_fini(&p->end);
        close(p->pidfd);
        p->pidfd = -1;
    }
}

/* With all that it started: it leads a group of its own. */
static void kill_it(struct gw_aws_process *p)
{
    if (p->pid < 0)
        return;
    kill(-p->pid, SIGKILL);
    while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    p->pid = -1;
}

static void on_late(struct gw_timer *t)
{
    struct gw_aws_ask *a = GW_CONTAINER(t, struct gw_aws_ask, process.late);

    let_go(&a->process);
    kill_it(&a->process);
    gw_aws_ask_fail(a, of, "it did not end within 60 s");
}

static void finish(struct gw_aws_ask *a, int status)
{
    char why[64];

    if (WIFEXITED(status) && !WEXITSTATUS(status)) {
        if (a->process.text.failed)
            gw_aws_ask_fail(a, of, "it printed more than 64 KiB");
        else
            gw_aws_ask_json(a, gw_buf_str(&a->process.text), "SessionToken", of);
        return;
    }
    (void)snprintf(why, sizeof(why), "it ended with %s %d",
                   WIFEXITED(status) ? "exit code" : "signal",
                   WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    gw_aws_ask_fail(a, of, why);
}

static void on_end(struct gw_watch *w, int what)
{
    struct gw_aws_ask *a = GW_CONTAINER(w, struct gw_aws_ask, process.end);
    int status = 0;

    (void)what;
    kill(-a->process.pid, SIGKILL); /* what it left behind; before its number is free for others */
    while (waitpid(a->process.pid, &status, 0) < 0 && errno == EINTR)
        ;
    a->process.pid = -1;
    let_go(&a->process);
    finish(a, status);
}

/* Its end is waited for behind its output, which may be more than the pipe holds. */
static void on_output(struct gw_watch *w, int what)
{
    struct gw_aws_process *p = GW_CONTAINER(w, struct gw_aws_process, out);
    char bytes[4096];
    ssize_t n = read(p->fd, bytes, sizeof(bytes));

    (void)what;
    if (n > 0)
        gw_buf_put(&p->text, bytes, (size_t)n);
    if (n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)))
        return;
    gw_watch_want(&p->out, 0);
    gw_watch_want(&p->end, GW_READABLE);
}

static int spawn(struct gw_aws_ask *a, int to)
{
    char sh[] = "sh", flag[] = "-c",
         *command = gw_arena_strndup(a->mem, a->plan.command, strlen(a->plan.command));
    char *const argv[] = {sh, flag, command, NULL};
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
    rc = posix_spawn(&pid, "/bin/sh", &files, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    a->process.pid = rc ? -1 : pid;
    return rc;
}

void gw_aws_ask_process(struct gw_aws_ask *a)
{
    struct gw_aws_process *p = &a->process;
    char said[100];
    int fds[2], rc;

    gw_buf_clear(&p->text);
    p->text.failed = 0;
    if (pipe2(fds, O_CLOEXEC)) {
        gw_aws_ask_fail(a, of, strerror_r(errno, said, sizeof(said)));
        return;
    }
    rc = spawn(a, fds[1]);
    close(fds[1]);
    if (!rc && (p->pidfd = pidfd_open(p->pid, 0)) < 0)
        rc = errno;
    if (rc) {
        close(fds[0]);
        kill_it(p);
        gw_aws_ask_fail(a, of, strerror_r(rc, said, sizeof(said)));
        return;
    }
    p->fd = fds[0];
    gw_watch_init(&p->out, a->loop, p->fd, on_output);
    gw_watch_init(&p->end, a->loop, p->pidfd, on_end);
    gw_watch_want(&p->out, GW_READABLE);
    gw_timer_set(&p->late, PROCESS_MS);
}

void gw_aws_process_init(struct gw_aws_ask *a)
{
    a->process.fd = a->process.pidfd = a->process.pid = -1;
    gw_buf_init(&a->process.text, PROCESS_TEXT, NULL);
    gw_timer_init(&a->process.late, a->loop, on_late);
}

void gw_aws_process_fini(struct gw_aws_ask *a)
{
    let_go(&a->process);
    kill_it(&a->process);
    gw_timer_fini(&a->process.late);
    if (a->process.text.p)
        explicit_bzero(a->process.text.p, a->process.text.cap);
    gw_buf_free(&a->process.text);
}
