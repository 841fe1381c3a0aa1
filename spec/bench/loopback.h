/* For servers that a bench measures or stands on: a port of 127.0.0.1 that the kernel chose,
 * printed. Included once. */
#ifndef SPEC_BENCH_LOOPBACK_H
#define SPEC_BENCH_LOOPBACK_H

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static int listen_on_loopback(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    socklen_t len = sizeof(a);

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 1024) ||
        getsockname(fd, (struct sockaddr *)&a, &len))
        exit(1);
    printf("127.0.0.1:%d\n", ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

#endif
