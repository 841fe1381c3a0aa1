#ifndef SPEC_REPLIES_H
#define SPEC_REPLIES_H

#include "http_server.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* http_server.h, answering by method and path from a table, and remembering what was asked; with an
 * environment of the test's own. For clients of clouds' services. */
static char seen[8][16384]; /* what was asked, head and body */
static int n_seen, n_answers;
static int n_sick; /* so many requests get 503 first */

/* By the path of a request, what is answered; NULL past the last. */
static const struct reply {
    const char *method, *path, *status, *body;
} * replies;

static inline const char *replies_answer(const char *head, const char *body)
{
    static char answers[32][4096]; /* of more than one connection */
    char *answer = answers[n_answers++ % 32];
    const struct reply *r = replies;
    char method[16], path[256];

    snprintf(seen[n_seen++ % 8], sizeof(seen[0]), "%s\n%s", head, body);
    CHECK(sscanf(head, "%15s %255s", method, path) == 2);
    while (r->path && (strcmp(r->path, path) != 0 || strcmp(r->method, method) != 0))
        r++;
    if (n_sick && n_sick--)
        return HTTP_SERVER_NO;
    snprintf(answer, sizeof(answers[0]), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s",
             r->path ? r->status : "404 Not Found", r->path ? strlen(r->body) : 0,
             r->path ? r->body : "");
    return answer;
}

/* From now on; what was asked before is forgotten. */
static inline void replies_begin(const struct reply *answers)
{
    pthread_mutex_lock(&http_server_lock);
    replies = answers;
    n_seen = 0;
    http_server_decide = replies_answer;
    pthread_mutex_unlock(&http_server_lock);
}

/* How often anybody has asked. */
static inline int replies_given(void)
{
    int n;

    pthread_mutex_lock(&http_server_lock);
    n = n_seen;
    pthread_mutex_unlock(&http_server_lock);
    return n;
}

/* NAME=value; `@` in a value stands for the server's address, `^` for its host and port. */
static inline void replies_set(const char *const *env)
{
    const char *url = http_server();
    const size_t root = strlen(url) - strlen("/hook");

    for (; *env; env++) {
        const char *equals = strchr(*env, '='), *at = strpbrk(*env, "@^");
        const size_t cut = at && *at == '^' ? strlen("http://") : 0;
        char name[64], value[512];

        snprintf(name, sizeof(name), "%.*s", (int)(equals - *env), *env);
        if (at)
            snprintf(value, sizeof(value), "%.*s%.*s%s", (int)(at - equals - 1), equals + 1,
                     (int)(root - cut), url + cut, at + 1);
        else
            snprintf(value, sizeof(value), "%s", equals + 1);
        setenv(name, value, 1);
    }
}

/* The whole environment: those of first, then those of second. */
static inline void replies_environment(const char *const *first, const char *const *second)
{
    clearenv();
    setenv("no_proxy", "127.0.0.1", 1);
    replies_set(first);
    replies_set(second);
}

static inline int asked(int i, const char *text)
{
    return i < n_seen && strstr(seen[i], text) != NULL;
}

static inline void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    CHECK(f && fputs(text, f) >= 0 && !fclose(f));
}

#endif
