/*
 * The parts of rabbitmq-c (Debian's librabbitmq) that OsloMessaging uses.
 *
 * Linked dynamically, so that security fixes arrive with the distribution. rabbitmq-c 0.12 moved its headers into a
 * folder of their own; both places are looked in.
 */
#ifndef BELLHOP_CRABBITMQ_SHIM_H
#define BELLHOP_CRABBITMQ_SHIM_H

#if __has_include(<rabbitmq-c/amqp.h>)
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/framing.h>
#include <rabbitmq-c/ssl_socket.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#endif

#endif
