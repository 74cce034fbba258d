/* Intrusive doubly linked list: a ring through a head that is itself a link. An element is in at most
 * one list per link member. Not synchronised: a list belongs to one shard. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_link {
    struct list_link *next, *prev;
};

#define list_entry(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))
#define list_for_each(link, head)                                                                  \
    for (struct list_link *link = (head)->next; link != (head); link = link->next)

static inline void
list_init(struct list_link *head)
{
    head->next = head->prev = head;
}

static inline bool
list_is_empty(const struct list_link *head)
{
    return head->next == head;
}

static inline void
list_insert_between(struct list_link *link, struct list_link *prev, struct list_link *next)
{
    link->prev = prev;
    link->next = next;
    prev->next = link;
    next->prev = link;
}

static inline void
list_push_back(struct list_link *head, struct list_link *link)
{
    list_insert_between(link, head->prev, head);
}

static inline void
list_push_front(struct list_link *head, struct list_link *link)
{
    list_insert_between(link, head, head->next);
}

/* Leaves the link pointing at itself, so removing twice and asking list_is_empty(link) are fine. */
static inline void
list_remove(struct list_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

static inline struct list_link *
list_pop_front(struct list_link *head)
{
    if (list_is_empty(head))
        return NULL;
    struct list_link *first = head->next;
    list_remove(first);
    return first;
}

#endif
