"""Reports of mails that came back, as mail servers write them."""

from uuid import UUID

DOMAIN = "example.org"
RETURNED = """Received: by relay.example.org; Fri, 23 Oct 2026 11:00:00 +0000
From: =?utf-8?b?0JTQvdC10LLQvdC40Lo=?= <diary@example.org>
To: mother@example.com
Message-ID: <{number}@example.org>
Subject: Re
"""


def a_report(
    number: UUID,
    status: str = "5.1.1",
    *,
    action: str = "failed",
    recipient: str = "mother@example.com",
    diagnostic: str = "smtp; 550 5.1.1 no such user",
    to: str | None = None,
    returned: str = RETURNED,
    kind: str = "multipart/report; report-type=delivery-status",
) -> bytes:
    """A report as Postfix writes it.

    Args:
        number: of the notification that came back.
        status: of the recipient.
        action: failed, delayed, delivered, relayed, expanded.
        recipient: whom it was for.
        diagnostic: what the remote server said.
        to: whom the report is for; the return address of that notification by default.
        returned: headers of the mail that came back.
        kind: the report's content type.
    """
    to = to or f"bounce+{number}@example.org"
    text = f"""Return-Path: <>
Delivered-To: {to}
From: MAILER-DAEMON@relay.example.org (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: {to}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: {kind}; boundary="B/relay"

This is a MIME-encapsulated message.

--B/relay
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--B/relay
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.example.org
X-Postfix-Queue-ID: 4F1C
Arrival-Date: Fri, 23 Oct 2026 11:00:00 +0000 (UTC)

Final-Recipient: rfc822; {recipient}
Original-Recipient: rfc822;{recipient}
Action: {action}
Status: {status}
Remote-MTA: dns; mx.example.com
Diagnostic-Code: {diagnostic}

--B/relay
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers

{returned.format(number=number)}
--B/relay--
"""
    return text.replace("\n", "\r\n").encode()
