/* A preloaded malloc that counts: what is asked of it by the code at MALLOCS_RANGE (two addresses
 * as nm has them, "FROM-TO", of the program itself), what by the library whose path holds
 * MALLOCS_LIBRARY, and what by all else. The three counts, of eight bytes each, are in the file
 * MALLOCS_FILE, which others map or read at any time: all else first. Any thread. */
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);

void *memalign(size_t align, size_t size);

struct counts {
    _Atomic uint64_t of[3];
};
struct span {
    uintptr_t from, to;
};

static struct counts before_the_file;
static struct counts *counts = &before_the_file;
static struct span spans[3]; /* the first is empty: all else */

static void count(const void *caller)
{
    const uintptr_t at = (uintptr_t)caller;
    int i = 2;

    while (i > 0 && (at < spans[i].from || at >= spans[i].to))
        i--;
    atomic_fetch_add(&counts->of[i], 1);
}

#define COUNT() count(__builtin_return_address(0))

void *malloc(size_t size)
{
    COUNT();
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    COUNT();
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    COUNT();
    return __libc_realloc(p, size);
}

void *memalign(size_t align, size_t size)
{
    COUNT();
    return __libc_memalign(align, size);
}

void *aligned_alloc(size_t align, size_t size)
{
    COUNT();
    return __libc_memalign(align, size);
}

int posix_memalign(void **out, size_t align, size_t size)
{
    COUNT();
    *out = __libc_memalign(align, size);
    return *out ? 0 : 12; /* ENOMEM */
}

/* The program is the first, and has no name. */
static int note_span(struct dl_phdr_info *info, size_t size, void *unused)
{
    const char *range = getenv("MALLOCS_RANGE"), *library = getenv("MALLOCS_LIBRARY");
    size_t from, to;

    (void)size;
    (void)unused;
    if (!*info->dlpi_name && !spans[1].to && range && sscanf(range, "%zx-%zx", &from, &to) == 2)
        spans[1] = (struct span){info->dlpi_addr + from, info->dlpi_addr + to};
    if (!library || !strstr(info->dlpi_name, library))
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X) {
            spans[2].from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            spans[2].to = spans[2].from + info->dlpi_phdr[i].p_memsz;
        }
    return 0;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("MALLOCS_FILE");
    void *shared;
    int fd;

    dl_iterate_phdr(note_span, NULL);
    fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644) : -1;
    if (fd < 0 || ftruncate(fd, sizeof *counts))
        return;
    shared = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (shared != MAP_FAILED)
        counts = shared;
}
