/* Lines "name:value", an empty line, the body. */
#include "event_forms.h"
#include "net/http.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_arena *mem = gw_arena_new();
    const char *p = (const char *)data, *end = p + size;
    struct gw_http_header headers[300];
    struct gw_event ev;
    struct gw_err err;
    size_t n = 0;

    for (const char *line_end; n < 300 && p < end; p = line_end + 1) {
        const char *colon;

        line_end = memchr(p, '\n', (size_t)(end - p));
        if (!line_end)
            break;
        colon = memchr(p, ':', (size_t)(line_end - p));
        if (!colon) {
            p = line_end + 1;
            break;
        }
        headers[n].name = (struct gw_str){p, (size_t)(colon - p)};
        headers[n++].value = (struct gw_str){colon + 1, (size_t)(line_end - colon - 1)};
    }
    gw_event_init(&ev, mem);
    if (!gw_event_http_read(&ev, headers, n, (struct gw_str){p, (size_t)(end - p)}, &err))
        forms_check(mem, &ev);
    gw_arena_free(mem);
    return 0;
}
