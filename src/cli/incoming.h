/* incoming.h: objects from elsewhere on their way into a partition. */
#ifndef HF_CLI_INCOMING_H
#define HF_CLI_INCOMING_H

#include "cli.h"

#define INCOMING_ATTRS 64 /* attributes of one object */

/* struct incoming is one object: a template of values in the arena, or a reason why it
 * cannot come. */
struct incoming {
	struct attr *v; /* in the arena; room for INCOMING_ATTRS */
	size_t n;
	const char *refused; /* NULL: it can */
};

struct incoming_list {
	struct incoming *v; /* in the arena */
	size_t n, max;
};

enum hf_err incoming_list_new(struct cli *c, size_t max, struct incoming_list *ret) HF_MUST_CHECK;
/* incoming_new adds an object. HF_E_LIMIT: there are more than max. */
enum hf_err incoming_new(struct cli *c, struct incoming_list *l, struct incoming **ret) HF_MUST_CHECK;

/* incoming_put copies the value into the arena. HF_E_LIMIT: too many attributes. */
enum hf_err incoming_put(struct cli *c, struct incoming *i, uint32_t cka, struct slice v) HF_MUST_CHECK;
enum hf_err incoming_put_u64(struct cli *c, struct incoming *i, uint32_t cka, uint64_t v) HF_MUST_CHECK;
enum hf_err incoming_put_bool(struct cli *c, struct incoming *i, uint32_t cka, bool v) HF_MUST_CHECK;
bool incoming_has(const struct incoming *i, uint32_t cka);

/* incoming_take makes the objects. One that looks like an object that was there before
 * (class, label, id) is met as --on-collision says: fail, before anything was made, or
 * skip. Prints what became of each; EXIT_FAILED if one did not come. */
int incoming_take(struct cli *c, uint64_t session, struct incoming_list *l);

/* incoming_show prints what would come. */
void incoming_show(struct cli *c, const struct incoming_list *l);

#endif
