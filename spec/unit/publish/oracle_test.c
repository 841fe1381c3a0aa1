#include "answers.h"

#include <glob.h>

/* A few hundred answers of the oracle; `make test-judges` asks it for thousands. */
TEST(test_oracle_answers_as_we_do)
{
    struct answers a = {.mem = test_arena()};
    struct gw_arena *files = test_arena();
    glob_t found;

    CHECK(!glob(gw_arena_printf(files, "%s/spec/golden/oracle/*.jsonl", spec_root()).p, 0, NULL,
                &found));
    answers_open(&a);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct gw_str text = golden_file(files, found.gl_pathv[i] + strlen(spec_root()) + 13), line;

        while ((line = golden_line(&text)).p) {
            answers_line(&a, line);
            gw_arena_reset(a.mem);
        }
    }
    globfree(&found);
    if (a.wrong)
        answers_figures(&a);
    gw_hooks_close(a.hooks);
    CHECK(!a.wrong && a.requests >= 200);
}
