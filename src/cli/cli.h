/* cli.h: what the command groups of `holdfast` share. */
#ifndef HF_CLI_H
#define HF_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "client.h"
#include "err.h"
#include "secret.h"
#include "stubs.h"

#define NAME_BYTES 32u /* of a user's name and a partition's label, at most (spec/calls) */

enum opt {
#define OPT(id, name, arg, help) OPT_##id,
#include "cli.def"
#undef OPT
	OPTS
};

/* struct cli is one run of the program. */
struct cli {
	const char *opt[OPTS]; /* NULL: not given; "" for one without argument */
	char **args;                /* what remains */
	int arg_count;
	struct client *client;
	struct arena arena;         /* results of calls live here */
};

/* Exit codes. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* A command does its work and returns an exit code, having said what is wrong. */
#define CMD(group, verb, fn, opts, args, help) int cmd_##fn(struct cli *c);
#include "cli.def"
#undef CMD

/* cli_asks says which HSM a refusal came from: cli_fail asks it what was needed. */
void cli_asks(struct client *client);
/* cli_fail prints "holdfast: what: <the error's text>" and returns EXIT_FAILED. */
int cli_fail(const char *what, enum hf_err e);
/* cli_usage prints a sentence and returns EXIT_USAGE. */
int cli_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* cli_print takes v over and prints it as JSON or as text: an object as lines
 * "name: value", an array of objects as a table. */
void cli_print(struct cli *c, json_t *v);
/* cli_sure asks "What? [y/N]" unless --yes; false: no. */
bool cli_sure(struct cli *c, const char *question);
/* cli_number parses a decimal number in [min, max]. */
/* cli_user is a row of a list of users. */
json_t *cli_user(const struct user_info *u);
bool cli_number(const char *s, uint64_t min, uint64_t max, uint64_t *ret);
/* cli_names counts different names with commas between; false: it has said what is wrong. */
bool cli_names(const char *option, const char *list, size_t *ret_n);
json_t *json_slice(struct slice s); /* text; if it is not UTF-8 an object {"hex": ...} */
/* cli_plain writes what a terminal or a log would take for an order, and the backslash, as
 * escapes: \\n, \\x1b, \\u202e; of what is not UTF-8 all bytes from 80 on. The caller frees it;
 * NULL: no memory. cli_put prints that. */
char *cli_plain(struct slice s);
void cli_put(struct slice s, FILE *out);
json_t *json_hex(struct slice s);
struct audit_record;
json_t *cli_audit_record(const struct audit_record *r);

/* cli_pin gets a PIN: from the file or descriptor that the options name, else
 * from the terminal without echo (twice if fresh). prompt: "PIN of the user". */
enum hf_err cli_pin(struct cli *c, enum opt file, enum opt fd, const char *prompt, bool fresh,
	struct secret *ret) HF_MUST_CHECK;

const char *cli_option_name(enum opt o);
/* cli_pin_of is that for the i-th of several custodians: of --pin-file it reads the line of his.
 * cli_pin_lines: the file has one for each of n; else it says so. */
enum hf_err cli_pin_of(struct cli *c, size_t i, const char *prompt, bool fresh, struct secret *ret)
	HF_MUST_CHECK;
bool cli_pin_lines(struct cli *c, size_t n);

/* cli_enter logs in as the HSM's role of --as, if it was given. Says what is wrong
 * and returns false. */
bool cli_enter(struct cli *c);
/* cli_connect is for a command that needs an HSM only sometimes. Says what is wrong. */
bool cli_connect(struct cli *c);

/* A share of a secret, in a file under its custodian's passphrase (share_files.c). cli_share_write says
 * what is wrong, or prints the file's name. */
bool cli_share_write(struct cli *c, const char *dir, size_t i, struct slice share);
enum hf_err cli_share_read(struct cli *c, const char *path, struct secret *ret) HF_MUST_CHECK;
/* cli_m_of_n reads "M/N" with 2 <= M <= N <= 16. */
bool cli_m_of_n(const char *s, uint8_t *ret_m, uint8_t *ret_n);

/* cli_session opens a session with --partition (or the only one) and logs the
 * user in unless --no-login. Says what is wrong and returns false. */
bool cli_session(struct cli *c, bool rw, uint64_t *ret_session);
/* cli_officer opens a session with --partition in which its officer is logged in. */
bool cli_officer(struct cli *c, uint64_t *ret_session);
/* cli_partition finds a partition by label, serial or slot. */
bool cli_partition(struct cli *c, const char *name, struct partition_info *ret);

/* cli_domain: is this HSM in that security domain? cli_domain_set puts a partition into one, an exit
 * code. Both say what is wrong. */
bool cli_domain(struct cli *c, const char *name);
int cli_domain_set(struct cli *c, const struct partition_domain_req *q);

/* cli_audit_keys writes what 'audit verify --audit-key FILE' reads: a line a key. An exit code. */
int cli_audit_keys(struct cli *c, const char *path);

/* cli_find finds objects that match --label, --id, --class and extra. */
struct attr_list cli_template(struct cli *c, const struct attr *extra, size_t extra_n);
enum hf_err cli_find(struct cli *c, uint64_t session, struct attr_list tmpl, struct u64_list *ret)
	HF_MUST_CHECK;
/* cli_key finds one key by --key among a class. */
bool cli_key(struct cli *c, uint64_t session, uint64_t cko, uint64_t *ret);
/* cli_any_key finds the private key of --key, or else the secret one. */
bool cli_any_key(struct cli *c, uint64_t session, uint64_t *ret);
/* cli_sign_mechanism: how to sign with that key, by --mechanism or as is usual for its type. cli_sha256:
 * of the data of --in; it says what is wrong. */
bool cli_sign_mechanism(struct cli *c, uint64_t session, uint64_t key, struct mech_in *ret);
enum hf_err cli_sha256(struct cli *c, uint64_t session, struct slice *ret) HF_MUST_CHECK;
/* cli_attr reads one attribute; p NULL: absent or hidden. */
struct slice cli_attr(struct cli *c, uint64_t session, uint64_t object, uint32_t type);
/* cli_point takes the DER OCTET STRING off a CKA_EC_POINT (PKCS#11 3.2 §6.3.3). */
struct slice cli_point(struct slice v);
/* cli_guard_args: what --count, --approvers and --any-data say of a guard. Says what is wrong. */
bool cli_guard_args(struct cli *c, struct guard_set_req *q);
/* cli_guard_keep leaves the number of uses of q->key as it is, where --count does not name one. */
bool cli_guard_keep(struct cli *c, uint64_t session, struct guard_set_req *q);
/* cli_open_guard gives the key's own PIN, if --key-pin-file or -fd is there. */
bool cli_open_guard(struct cli *c, uint64_t session, uint64_t key);
/* attr values as the wire has them, in the arena */
struct slice cli_u64(struct cli *c, uint64_t v);
extern const struct slice cli_true, cli_false;

/* names.c: the standard's names for numbers and back. */
const char *name_of_class(uint64_t cko);
bool class_of_name(const char *s, uint64_t *ret);
const char *name_of_key_type(uint64_t ckk);
const char *name_of_mechanism(uint64_t ckm); /* without CKM_; NULL: unknown */
bool mechanism_of_name(const char *s, uint32_t *ret); /* with or without CKM_ */
struct attr_name {
	uint32_t type;
	const char *name, *kind;
};
const struct attr_name *attr_names(size_t *ret_n);

#endif
