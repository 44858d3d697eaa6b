"""A form made from any class of parameters: a row a field, checked as a whole."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, cast, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFormLayout, QLabel, QVBoxLayout, QWidget

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.params import Params
from napari_nucleate.gui.fields import Choice, Editor, Fold, in_words, leaf

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic.fields import FieldInfo


class ParamsForm(QWidget):
    """Shows and edits one set of parameters.

    Parameters
    ----------
    kind : type of Params, or a union of such types that differ in `kind`
        What is edited. Nested parameters become groups that fold, a union a choice with the
        chosen class's form below.
    value : Params, optional
        What is shown first; the defaults otherwise.
    show : sequence of str, optional
        Only these fields; the others keep the values of `value`.
    fold : sequence of str
        Fields that lie folded away under "More"; "a.b" is field b of the nested parameters a.
    names : mapping of str to str, optional
        What a person calls the classes of a union, by their `kind`.

    Signals
    -------
    changed(object)
        The new value, after an edit that left all values valid.
    edited
        After every edit by the person; `message` tells whether the values are valid.
    """

    changed = Signal(object)
    edited = Signal()

    def __init__(
        self,
        kind: Any,
        value: Params | None = None,
        *,
        show: Sequence[str] | None = None,
        fold: Sequence[str] = (),
        names: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        classes = members(kind)
        self._adapter: TypeAdapter[Params] = TypeAdapter(kind)
        first = value if value is not None else classes[0]()
        self._body: _Fields | _Kinds
        if len(classes) > 1:
            self._body = _Kinds(classes, first, show, fold, names or {})
        else:
            self._body = _Fields(classes[0], first, show, fold, names or {})
        self._message = QLabel()
        self._message.setWordWrap(True)
        self._message.setTextFormat(Qt.TextFormat.PlainText)
        self._message.setStyleSheet("color: #ff5c5c")
        self._message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._message.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._body)
        layout.addWidget(self._message)
        self._body.edited.connect(self._check)

    @property
    def value(self) -> Any:
        """The parameters shown.

        Raises
        ------
        NucleateError
            If they aren't valid; the sentence names the field and the value.
        """
        try:
            return self._adapter.validate_python(self._body.raw())
        except ValidationError as error:
            raise NucleateError(_sentence(error)) from error

    @value.setter
    def value(self, value: Params) -> None:
        self._body.show_value(value)
        self._say("")

    @property
    def message(self) -> str:
        """The sentence shown in red; empty while all values are valid."""
        return "" if self._message.isHidden() else str(self._message.text())

    def editor(self, path: str) -> Any:
        """The widget of a field, by its name; "a.b" is field b of the nested parameters a."""
        widget: Any = self._body
        for name in path.split("."):
            form = widget.current if isinstance(widget, _Kinds) else widget
            widget = form.editors[name]
        return widget

    def editors(self, name: str) -> list[Any]:
        """The widgets of a field in all classes of the union that have it."""
        forms = self._body.forms if isinstance(self._body, _Kinds) else [self._body]
        return [form.editors[name] for form in forms if name in form.editors]

    def _check(self) -> None:
        try:
            value = self.value
        except NucleateError as error:
            self._say(str(error))
        else:
            self._say("")
            self.changed.emit(value)
        self.edited.emit()

    def _say(self, message: str) -> None:
        self._message.setText(message)
        self._message.setVisible(bool(message))


class _Fields(QWidget):
    """The fields of one class."""

    edited = Signal()

    def __init__(
        self,
        kind: type[Params],
        value: Params,
        show: Sequence[str] | None = None,
        fold: Sequence[str] = (),
        names: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.kind = kind
        self._fold, self._names = fold, names or {}
        self.editors: dict[str, Editor] = {}
        self._kept: Params = value
        rows, folded = _rows(self), QWidget()
        more = _rows(folded)
        for name, field in kind.model_fields.items():
            if (show is None or name in show) and not _is_tag(field):
                self._add(more if name in fold else rows, name, field, getattr(value, name))
        if more.rowCount():
            rows.addRow(Fold("More", folded))
        self.setLayout(rows)

    def raw(self) -> dict[str, Any]:
        """Plain values by field, those not shown among them."""
        kept = {name: getattr(self._kept, name) for name in self.kind.model_fields}
        return kept | {name: editor.raw() for name, editor in self.editors.items()}

    def show_value(self, value: Params) -> None:
        """Show other parameters of the same class."""
        self._kept = value
        for name, editor in self.editors.items():
            editor.show_value(getattr(value, name))

    def _add(self, rows: QFormLayout, name: str, field: FieldInfo, value: Any) -> None:
        editor = leaf(field)
        title = field.title or in_words(name)
        if editor is not None:
            label = QLabel(title)
            label.setToolTip(field.description or "")
            rows.addRow(label, cast("QWidget", editor))
        else:
            classes = members(field.annotation)
            above = f"{name}."
            inner = [p.removeprefix(above) for p in self._fold if p.startswith(above)]
            if len(classes) > 1:
                editor = _Kinds(classes, value, None, inner, self._names)
            else:
                editor = _Fields(classes[0], value, None, inner, self._names)
            group = Fold(title, editor)
            group.button.setToolTip(field.description or "")
            # A class without fields of its own has nothing to unfold.
            group.setVisible(len(classes) > 1 or bool(editor.editors))
            rows.addRow(group)
        widget = cast("QWidget", editor)
        if isinstance(editor, _Fields | _Kinds):
            widget.setToolTip("")
        else:
            widget.setToolTip(field.description or "")
        editor.show_value(value)
        editor.edited.connect(self.edited.emit)
        self.editors[name] = editor


class _Kinds(QWidget):
    """A choice among classes, and the form of the one chosen."""

    edited = Signal()

    def __init__(
        self,
        classes: Sequence[type[Params]],
        value: Params,
        show: Sequence[str] | None = None,
        fold: Sequence[str] = (),
        names: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        names = names or {}
        kinds = [str(c.model_fields["kind"].default) for c in classes]
        self.choice = Choice([(names.get(k, in_words(k)), i) for i, k in enumerate(kinds)])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.choice)
        self._help = QLabel()
        self._help.setWordWrap(True)
        layout.addWidget(self._help)
        self.forms: list[_Fields] = []
        for kind in classes:
            first = value if isinstance(value, kind) else kind()
            form = _Fields(kind, first, show, fold, names)
            form.edited.connect(self.edited.emit)
            layout.addWidget(form)
            self.forms.append(form)
        self.choice.edited.connect(self._switch)
        self.show_value(value)

    @property
    def current(self) -> _Fields:
        """The form of the class chosen."""
        return self.forms[self.choice.raw()]

    @property
    def editors(self) -> dict[str, Editor]:
        """Editors of the class chosen."""
        return self.current.editors

    def raw(self) -> dict[str, Any]:
        """Plain values of the class chosen, its `kind` among them."""
        return self.current.raw()

    def show_value(self, value: Params) -> None:
        """Choose the value's class and show it."""
        at = [form.kind for form in self.forms].index(type(value))
        self.choice.show_value(at)
        self.forms[at].show_value(value)
        self._reveal()

    def _switch(self) -> None:
        self._reveal()
        self.edited.emit()

    def _reveal(self) -> None:
        for form in self.forms:
            form.setVisible(form is self.current and bool(form.editors))
        self._help.setText((self.current.kind.__doc__ or "").strip().splitlines()[0])


def members(kind: Any) -> list[type[Params]]:
    """The classes of a union, or the class itself.

    Raises
    ------
    TypeError
        If it is made of anything but classes of parameters.
    """
    if get_origin(kind) is Annotated:
        return members(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return [c for part in get_args(kind) for c in members(part)]
    if isinstance(kind, type) and issubclass(kind, Params):
        return [kind]
    raise TypeError(f"No form for {kind!r}.")


def _rows(parent: QWidget) -> QFormLayout:
    rows = QFormLayout(parent)
    rows.setContentsMargins(0, 0, 0, 0)
    rows.setSpacing(4)
    rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    rows.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
    return rows


def _is_tag(field: FieldInfo) -> bool:
    """Whether a field has one possible value only, as `kind` and `version` have."""
    return get_origin(field.annotation) is Literal and len(get_args(field.annotation)) == 1


def _sentence(error: ValidationError) -> str:
    """The first of pydantic's errors with the field's name in words."""
    first = error.errors(include_url=False)[0]
    places = [str(part) for part in first["loc"]]
    message = str(first["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    if not places:
        return f"{message[:1].upper()}{message[1:]}."
    return f"{in_words(places[-1])} {message}."
