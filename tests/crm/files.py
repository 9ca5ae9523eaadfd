"""Spreadsheets and documents for tests, written by hand where no library writes them."""

import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import xlsxwriter

Rows = Sequence[Any]


class Xml(str):
    """XML as it is."""


WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def xlsx(path: Path, rows: Rows, *, sheet: str = "Sheet1", before: Sequence[str] = ()) -> Path:
    """A workbook with this sheet, behind empty ones of the names ``before``. Dates and numbers are typed cells."""
    with xlsxwriter.Workbook(path, {"strings_to_formulas": False, "strings_to_urls": False}) as book:
        for name in before:
            book.add_worksheet(name)
        page = book.add_worksheet(sheet)
        formats = {
            date: book.add_format({"num_format": "dd.mm.yyyy"}),
            datetime: book.add_format({"num_format": "dd.mm.yyyy hh:mm"}),
        }
        for at, row in enumerate(rows):
            for column, cell in enumerate(row):
                if isinstance(cell, date):
                    page.write_datetime(at, column, cell, formats[type(cell)])
                elif cell != "":
                    page.write(at, column, cell)
    return path


def ods(path: Path, rows: Rows) -> Path:
    """A spreadsheet of LibreOffice."""
    office, table, text = (f"urn:oasis:names:tc:opendocument:xmlns:{name}:1.0" for name in ("office", "table", "text"))
    lines = "".join(
        "<table:table-row>" + "".join(_ods_cell(cell) for cell in row) + "</table:table-row>" for row in rows
    )
    content = (
        f'<office:document-content xmlns:office="{office}" xmlns:table="{table}" xmlns:text="{text}" '
        f'office:version="1.2"><office:body><office:spreadsheet><table:table table:name="Daten">{lines}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    manifest = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", kind, compress_type=zipfile.ZIP_STORED)
        archive.writestr("content.xml", content)
        archive.writestr(
            "META-INF/manifest.xml",
            f'<manifest:manifest xmlns:manifest="{manifest}">'
            f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/>'
            '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>'
            "</manifest:manifest>",
        )
    return path


def _ods_cell(cell: Any) -> str:
    shown = f"<text:p>{escape(str(cell))}</text:p>"
    if isinstance(cell, bool):
        return f'<table:table-cell office:value-type="boolean" office:boolean-value="{str(cell).lower()}"/>'
    if isinstance(cell, int | float):
        return f'<table:table-cell office:value-type="float" office:value="{cell}">{shown}</table:table-cell>'
    if isinstance(cell, date):
        return f'<table:table-cell office:value-type="date" office:date-value="{cell.isoformat()}"/>'
    return f'<table:table-cell office:value-type="string">{shown}</table:table-cell>' if cell else "<table:table-cell/>"


def docx(path: Path, *tables: str, doctype: str = "") -> Path:
    """A text document with these tables (see :func:`word_table`) between paragraphs."""
    body = "<w:p><w:r><w:t>Our customers</w:t></w:r></w:p>".join(["", *tables, ""])
    document = f'{doctype}<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", document)
    return path


def word_table(rows: Rows) -> str:
    """The XML of a table; a cell that is :class:`Xml` is taken as it is."""
    return (
        "<w:tbl>"
        + "".join(
            "<w:tr>"
            + "".join(
                cell
                if isinstance(cell, Xml)
                else f'<w:tc><w:p><w:r><w:t xml:space="preserve">{escape(str(cell))}</w:t></w:r></w:p></w:tc>'
                for cell in row
            )
            + "</w:tr>"
            for row in rows
        )
        + "</w:tbl>"
    )
