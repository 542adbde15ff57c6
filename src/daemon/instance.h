/* instance.h: what an instance has in the file system, opened once by the monitor
 * and handed down: its directory and lock, its data, its socket, its key file. */
#ifndef HF_INSTANCE_H
#define HF_INSTANCE_H

#include <limits.h>
#include <stdbool.h>

#include "config.h"

/* struct instance_paths: home holds the lock (and the rest, unless system). */
struct instance_paths {
	char home[PATH_MAX], data[PATH_MAX], socket_dir[PATH_MAX];
	char medium[PATH_MAX]; /* data of a removable token, copied at the first start; or "" */
	bool system;
	bool everybody; /* the socket is for all users */
};

/* struct instance: descriptors, -1 where there is none, and all above those that
 * a role inherits (roles.h). */
struct instance {
	int home, lock, data, socket_dir, listen, unlock, passphrase, archive, cursor;
	const char *tpm; /* path, or "" */
	const char *medium; /* likewise */
	bool own_socket; /* not from systemd: removed at the end */
};

enum instance_result { INSTANCE_OPEN, INSTANCE_RUNS, INSTANCE_FAILED };

/* instance_open makes what is absent, directories 0700, and takes the lock for as
 * long as this process lives. INSTANCE_RUNS: another process has it. It has logged
 * why INSTANCE_FAILED. */
enum instance_result instance_open(const struct config *c, const struct instance_paths *p,
	struct instance *ret);

/* instance_gone: somebody removed the instance from the file system. */
bool instance_gone(const struct instance *i);

/* instance_close removes the socket; the lock goes with the process. */
void instance_close(struct instance *i);

/* instance_tpm opens the TPM, anew for each start of the vault; -1: there is none, or it
 * has logged why not. */
int instance_tpm(const struct instance *i);

/* fd_high moves a descriptor above those that a role inherits; -1 stays -1. */
int fd_high(int fd);

#endif
