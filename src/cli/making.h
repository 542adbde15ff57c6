/* making.h: a backup on its way out of the HSM. */
#ifndef HF_CLI_MAKING_H
#define HF_CLI_MAKING_H

#include "cli.h"

/* struct making is a file that is not there under its name until it is whole, or an open
 * descriptor (path NULL). Each says what is wrong and returns false. */
struct making {
	const char *path;
	char part[4096];
	int fd;
	uint64_t bytes;
};
bool making_open(const char *path, struct making *m);
void making_to(int fd, struct making *m);
bool making_put(struct making *m, struct slice s);
bool making_finish(struct making *m);
void making_close(struct making *m, bool whole);

/* struct maker is where the backup comes from: a session in a partition, or the HSM. maker_fetch
 * puts all frames of what was begun there. */
struct maker {
	struct cli *c;
	uint64_t session;
	bool whole;
	uint64_t left_out, objects; /* of whole partitions: objects */
	uint64_t written;           /* with their content in the file */
};
bool maker_fetch(struct maker *k, struct making *m);

/* cli_chosen finds what --label, --id or --class name; without them *ret stays empty: all. */
bool cli_chosen(struct cli *c, uint64_t session, struct u64_list *ret);

#endif
