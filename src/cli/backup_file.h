/* backup_file.h: the file of a backup, piece by piece, in bounded memory. */
#ifndef HF_CLI_BACKUP_FILE_H
#define HF_CLI_BACKUP_FILE_H

#include <stdio.h>

#include "backup_format.h"
#include "cli.h"

/* struct backup_file is one being read; raw is the piece that was read last. */
struct backup_file {
	const char *path;
	FILE *f;
	struct buf raw, head_raw;
	struct backup_header head;
	struct backup_chain chain;
	struct backup_frame frame;
	uint8_t before[CRYPTO_HASH]; /* the chain's hash in front of frame */
	uint64_t bytes;
};

/* backup_file_open reads and checks the header; says what is wrong and returns false. */
bool backup_file_open(const char *path, struct backup_file *ret);
/* backup_file_from reads it from the beginning of f, which stays the caller's and is told of by that name. */
bool backup_file_from(FILE *f, const char *name, struct backup_file *ret);
/* backup_file_next reads and checks a frame; false: it said what is wrong with which. */
bool backup_file_next(struct backup_file *b);
/* backup_file_over: nothing follows the last frame. */
bool backup_file_over(struct backup_file *b);
void backup_file_done(struct backup_file *b);

/* cli_passphrase asks for the backup's. */
enum hf_err cli_passphrase(struct cli *c, bool fresh, struct secret *ret) HF_MUST_CHECK;

#endif
