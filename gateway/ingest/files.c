#include "ingest/files.h"

#include "base/err.h"
#include "base/str.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>
#include <unistd.h>

enum { MAX_FILE = 16 << 20 };
static_assert(sizeof(struct gw_print) == SHA256_DIGEST_LENGTH, "a SHA-256");

int gw_file_read(const char *path, size_t max, struct gw_buf *text, struct gw_err *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = -1;
    int rc = 0;

    gw_buf_init(text, max + 8192, NULL);
    while (fd >= 0 && text->len <= max) {
        n = read(fd, gw_buf_room(text, 4096), 4096);
        if (n <= 0)
            break;
        gw_buf_added(text, (size_t)n);
    }
    if (fd < 0 || n < 0)
        rc = gw_err_errno(err, GW_ERR_FATAL, "%s", path);
    else if (text->len > max)
        rc = gw_err_set(err, GW_ERR_FATAL, "%s: more than %zu bytes", path, max);
    if (fd >= 0)
        close(fd);
    return rc;
}

void gw_file_forget(struct gw_buf *text)
{
    if (text->p)
        OPENSSL_cleanse(text->p, text->cap);
    gw_buf_free(text);
}

struct gw_print gw_file_print(const char *path)
{
    struct gw_print print = {{0}};
    struct gw_buf text;
    struct gw_str s;
    struct gw_err err;

    if (!path)
        return print;
    s = gw_file_read(path, MAX_FILE, &text, &err) ? gw_str_of(err.msg) : gw_buf_str(&text);
    SHA256((const unsigned char *)s.p, s.len, print.hash);
    gw_file_forget(&text);
    return print;
}

int gw_print_same(const struct gw_print *a, const struct gw_print *b)
{
    return !memcmp(a->hash, b->hash, sizeof(a->hash));
}
