/* map.h: an intrusive hash table with 64-bit keys. Not thread-safe. */
#ifndef HF_MAP_H
#define HF_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* struct map_node is embedded in what the map holds; keys are unique. */
struct map_node {
	struct map_node *next;
	uint64_t key;
};

struct map {
	struct map_node **slot;
	size_t slots, n;
};

/* map_put adds node under key; HF_E_CONFLICT if the key is there already. */
enum hf_err map_put(struct map *m, uint64_t key, struct map_node *node) HF_MUST_CHECK;
/* map_reserve makes room for n nodes in all, at most SIZE_MAX / 2: less work than growing there. */
enum hf_err map_reserve(struct map *m, size_t n) HF_MUST_CHECK;
/* map_prefetch asks for the memory that map_put will look at: first where key belongs, and then, with
 * nodes, who is there. */
void map_prefetch(const struct map *m, uint64_t key, bool nodes);
struct map_node *map_get(const struct map *m, uint64_t key); /* NULL: none */
struct map_node *map_del(struct map *m, uint64_t key); /* removed node or NULL */
/* map_next walks: start with NULL; the node just returned may be deleted only
 * after the next one was fetched. No order. */
struct map_node *map_next(const struct map *m, const struct map_node *after);
void map_done(struct map *m); /* frees the table, not the nodes */
/* map_free hands every node to drop, which may free it, and frees the table. */
void map_free(struct map *m, void (*drop)(struct map_node *node));

/* container_of finds the struct around a member. */
#define container_of(ptr, type, member)                                        \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
