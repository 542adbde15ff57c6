/* backup_seal.h: whom a backup is sealed to, and what opens one. */
#ifndef HF_CLI_BACKUP_SEAL_H
#define HF_CLI_BACKUP_SEAL_H

#include "backup_format.h"
#include "cli.h"

/* cli_recipients: a passphrase, --to-key's public keys, a key in another token; all that are
 * named, else a passphrase. Says what is wrong. What *ret points to lives in c->arena. */
bool cli_recipients(struct cli *c, struct recipient_list *ret);
/* cli_openers: what this person can give for a backup with that header; *pass, empty at first, is
 * the passphrase that was asked for once. */
bool cli_openers(struct cli *c, const struct backup_header *h, struct slice *pass,
	struct opener_list *ret);
/* backup_write makes the backup that the options describe; *ret_told says of what. Says what is wrong. */
bool backup_write(struct cli *c, const char *path, json_t **ret_told);
/* cli_card reads a public key's file. */
bool cli_card(struct cli *c, const char *path, struct slice *ret);

/* backup_token.c: a secret that a key in another token keeps. */
bool cli_token_keep(struct cli *c, struct recipient *ret);
bool cli_token_recall(struct cli *c, struct slice body, struct opener *ret);

#endif
