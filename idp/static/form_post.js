// Sends the answer of an authorization request on (OAuth 2.0 Form Post Response Mode, section 2).
// The prototype's method, because a field named "submit" would hide the form's own.
HTMLFormElement.prototype.submit.call(document.getElementById("form-post"));
