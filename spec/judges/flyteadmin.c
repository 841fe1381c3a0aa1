/* Compares what we make of requests with what the oracle says FlyteAdmin sends for them: lines on
 * standard input, run in the project's folder. Exit 1: something differs; what, on standard error.
 */
#include "publish/answers.h"

#include <unistd.h>

const char *spec_root(void)
{
    static char *root;

    return root ? root : (root = getcwd(NULL, 0));
}

int main(void)
{
    struct answers a = {.mem = gw_arena_new()};
    size_t size = 0;
    char *line = NULL;
    ssize_t len;

    answers_open(&a);
    while ((len = getline(&line, &size, stdin)) > 0) {
        answers_line(&a, (struct gw_str){line, (size_t)len});
        gw_arena_reset(a.mem);
    }
    answers_figures(&a);
    gw_hooks_close(a.hooks);
    gw_arena_free(a.mem);
    free(line);
    return a.wrong || !a.requests;
}
