"""The mail sink: a real SMTP server that keeps, refuses, delays and hangs up as it is told."""

import time
from email.message import EmailMessage

import aiosmtplib
import httpx
import pytest

from sutki.stack.mail import MailSink
from sutki.stack.mail_store import Rule


def _mail(to: str, subject: str = "Новая итоговая отметка") -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "Сутки <diary@example.org>"
    mail["To"] = to
    mail["Subject"] = subject
    mail["Message-ID"] = f"<{subject.encode().hex()}.{to}>"
    mail.set_content("Здравствуйте!\n")
    mail.add_alternative("<p>Здравствуйте!</p><script>document.title = 'taken'</script>", subtype="html")
    return mail


async def _send(sink: MailSink, mail: EmailMessage) -> None:
    await aiosmtplib.send(mail, hostname=sink.host, port=sink.port, timeout=10)


async def test_a_mail_is_kept_as_it_was_sent_and_found_by_its_recipient(mail_sink: MailSink) -> None:
    await _send(mail_sink, _mail("mother@example.org"))
    await _send(mail_sink, _mail("father@example.org"))
    (found,) = await mail_sink.messages(to="Mother@example.org")
    assert found["subject"] == "Новая итоговая отметка"
    message = await mail_sink.message(found["id"])
    assert message["text"].strip() == "Здравствуйте!"
    assert ["Message-ID", found["message_id"]] in message["headers"]
    (file,) = (mail_sink.folder / "mails").glob(f"{found['id']}.eml")
    assert b"Content-Type: multipart/alternative" in file.read_bytes()
    assert await mail_sink.count() == 2


async def test_a_refusal_holds_for_the_address_and_as_often_as_told(mail_sink: MailSink) -> None:
    await mail_sink.behave([Rule(address="gone@*", code=550, text="5.1.1 no such user", times=1)])
    await _send(mail_sink, _mail("here@example.org"))
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
        await _send(mail_sink, _mail("gone@example.org"))
    assert refused.value.recipients[0].code == 550
    await _send(mail_sink, _mail("gone@example.org"))
    assert await mail_sink.count() == 2


async def test_a_message_can_be_refused_for_a_while_after_it_was_sent(mail_sink: MailSink) -> None:
    await mail_sink.behave([Rule(stage="data", code=451, times=1)])
    with pytest.raises(aiosmtplib.SMTPDataError) as refused:
        await _send(mail_sink, _mail("mother@example.org"))
    assert refused.value.code == 451
    assert await mail_sink.count() == 0


async def test_it_can_keep_a_mail_and_hang_up_before_it_says_so(mail_sink: MailSink) -> None:
    await mail_sink.behave([Rule(stage="data", code=250, hang_up=True, times=1)])
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await _send(mail_sink, _mail("mother@example.org"))
    assert await mail_sink.count(to="mother@example.org") == 1


async def test_it_can_be_slow(mail_sink: MailSink) -> None:
    await mail_sink.behave([Rule(stage="data", code=250, delay_seconds=0.4)])
    began = time.monotonic()
    await _send(mail_sink, _mail("mother@example.org"))
    assert time.monotonic() - began >= 0.4


async def test_what_was_accepted_is_there_after_the_sink_was_killed(mail_sink: MailSink) -> None:
    await _send(mail_sink, _mail("mother@example.org"))
    mail_sink.kill()
    await mail_sink.start()
    assert await mail_sink.count(to="mother@example.org") == 1


async def test_the_pages_show_mails_in_two_languages_and_run_nothing_of_theirs(mail_sink: MailSink) -> None:
    await _send(mail_sink, _mail("mother@example.org", subject="<b>Оценка</b>"))
    (mail,) = await mail_sink.messages()
    async with httpx.AsyncClient(base_url=mail_sink.address, trust_env=False) as client:
        russian, english = await client.get("/"), await client.get("/?lang=en")
        page, html = await client.get(f"/mails/{mail['id']}"), await client.get(f"/messages/{mail['id']}/html")
        missing = await client.get("/mails/nothing")
    assert "Отправленные письма" in russian.text
    assert "&lt;b&gt;Оценка&lt;/b&gt;" in russian.text
    assert 'lang="en"' in english.text
    assert "Sent mail" in english.text
    assert "<iframe sandbox" in page.text
    assert "<script>" not in page.text
    assert html.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert missing.status_code == 303


async def test_without_mails_the_page_says_when_there_will_be_some(mail_sink: MailSink) -> None:
    async with httpx.AsyncClient(base_url=mail_sink.address, trust_env=False) as client:
        assert "Писем пока нет" in (await client.get("/")).text
        assert "No mail yet" in (await client.get("/?lang=en")).text
