/* notify.h: what systemd wants to hear (sd_notify(3)). */
#ifndef HF_NOTIFY_H
#define HF_NOTIFY_H

/* notify_open connects to the socket that NOTIFY_SOCKET names; -1: there is none. */
int notify_open(void);
/* notify_say sends a line such as "READY=1"; nothing where fd is -1. */
void notify_say(int fd, const char *line);

#endif
